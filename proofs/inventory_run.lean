import HoldfastInventory

unsafe def main (args : List String) : IO UInt32 := HoldfastInventory.run args

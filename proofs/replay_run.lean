import HoldfastReplay

unsafe def main (args : List String) : IO UInt32 := HoldfastReplay.run args

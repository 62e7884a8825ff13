namespace Ledger

def limit : Nat := 8

structure Slot where
  index : Nat
  used : Bool

end Ledger

namespace Ledger

def limit : Nat := 9

structure Slot where
  index : Nat
  used : Bool

end Ledger

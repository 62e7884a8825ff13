import Pool

def main : IO Unit := IO.println s!"{Pool.capacity} streams"

def main : IO Unit := return

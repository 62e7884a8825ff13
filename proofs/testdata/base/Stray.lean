theorem stray : False := sorry

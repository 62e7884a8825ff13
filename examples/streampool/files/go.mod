module example.org/streampool

go 1.22

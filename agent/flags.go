package agent

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
)

// flags makes the flag set of a command; its errors are usage errors, printed once.
func flags(e *env, name, args string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {
		w := e.stdout
		fmt.Fprintf(w, "usage: holdfast %s %s\n\n", name, args)
		fs.SetOutput(w)
		fs.PrintDefaults()
		fs.SetOutput(io.Discard)
	}
	return fs
}

// parse reads the flags of a command and at most max arguments, before, between or behind
// them; behind "--" there are arguments only.
func parse(fs *flag.FlagSet, args []string, max int) error {
	var plain []string
	usage := fs.Usage
	fs.Usage = func() {} // for those who ask; a mistake is one line and a hint
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				usage()
				return err
			}
			return &usageError{err.Error(), fmt.Sprintf("holdfast %s -h tells the flags", fs.Name())}
		}
		rest := fs.Args()
		if n := len(args) - len(rest); len(rest) == 0 || n > 0 && args[n-1] == "--" {
			plain = append(plain, rest...)
			break
		}
		plain, args = append(plain, rest[0]), rest[1:]
	}
	if err := fs.Parse(append([]string{"--"}, plain...)); err != nil {
		return err
	}
	if fs.NArg() > max {
		return &usageError{fmt.Sprintf("unexpected argument %q", fs.Arg(max)), fmt.Sprintf("holdfast %s -h tells the usage", fs.Name())}
	}
	return nil
}

// given reports whether a flag was set, to whatever value.
func given(fs *flag.FlagSet, name string) (set bool) {
	fs.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// listsRuns is the advice where a run is to be named.
const listsRuns = "holdfast history lists the runs"

// numberOf reads the number of a run or the like from the command line.
func numberOf(what, text, hint string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, &usageError{fmt.Sprintf("%q is not the number of a %s", text, what), hint}
	}
	return n, nil
}

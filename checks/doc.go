// Package checks judges structural rules over the sources of a checkout and runs the
// repository's own check programs.
//
// It takes rules (from holdfast.rules.toml in the checkout and from agent.toml), reads
// files inside the checkout and nothing else, and answers with a runner.Result that
// shows the evidence for every outcome. Sources of the C family (C, C++, Objective-C,
// Objective-C++, Metal) are read as tokens by package checks/scan, so that a comment or
// a string can neither satisfy nor break a rule; other files are read as text. It leaves
// types and data flow to compilers, and history to package baseline.
//
// # Rules
//
// A rule file is TOML: [[rule]] and [[ack]] tables, and packs. An unknown key, a
// bad pattern or glob, a duplicate id and an empty file are mistakes; a file with a
// mistake is not judged by, and the verdict is error.
//
//	[[rule]]
//	id = "ST.001"                       # unique; no spaces or colons
//	title = "the destructor of a thread's slot looks at the pool's flag"
//	kind = "within"                     # exists, match, absent, count or within
//	files = ["src/**/*.mm"]             # globs; exclude = […] takes some out again
//	in = { function = "ThreadSlot::~ThreadSlot" }
//	pattern = 'g_poolAlive\.load\('
//
// The kinds:
//
//   - exists: every glob of files matches at least one file (at least min, at most max in
//     all).
//   - match: all patterns match somewhere in the files; with any = true one of them is
//     enough; with each = true in every single file.
//   - absent: no pattern matches anywhere.
//   - count: the number of matches of all patterns lies between min and max, both
//     inclusive; one of them may be left out. With each = true in every file.
//   - within: like match, in the body of every function that in names.
//
// match, absent and count may have in, too. Every body of that name (overloads, several
// files) is judged by itself, and all must satisfy the rule; with
// in = { function = "…", any = true } one is enough. A function is named by as much of
// its qualified name as is needed ("~ThreadSlot", "streampool::Stream::commit"), a method
// by its selector ("submit:after:") or in full ("-[Queue submit:after:]"). The
// initialisers of a constructor belong to its body. Lambdas, blocks and functions of
// local classes belong to the function around them.
//
// The patterns: pattern (one) or patterns (several) are Go regular expressions. ^ and $
// match at line ends. A match may cross lines where the expression says so: \s and [^x]
// do, the dot does only after (?s). tokens (one or several) are written as code: white
// space and comments between tokens do not count, $NAME stands for any one token (the
// same one where it is repeated), $_ for any one token, $... for as few tokens as
// possible, up to a semicolon or the end of the brackets around:
//
//	tokens = 'std::lock_guard<$...> $GUARD(mutex_)'
//
// view says what regular expressions see: "code" (without comments, contents of strings
// and characters, and what #if 0 takes out; the default for the C family),
// "code+strings", "comments", or "raw" (the default for all other files). What a view
// leaves out is blank, so that places stay what they are in the source.
//
// doc says in a few sentences why the rule is there and what to do about a violation; it
// is shown by holdfast checks explain and goes into SARIF as the help text.
//
// severity = "warn" makes a violation a warning. on_missing says what it means that no
// file matches, or that no function has the name: "error" (the default), "fail", or
// "skip".
//
// A rule is an error, never a pass, if one of its files cannot be read with certainty: a
// symbolic link out of the checkout, more than 16 MiB, UTF-16, a comment or string without
// end; for rules with in also brackets that do not match, or match in one branch of an
// #if and not in the other. A violation that was found stays one in any case.
//
// Globs are relative to the checkout: * and ? stay inside a name, ** as a whole name
// stands for any folders, and [a-z] and {a,b} are as in shells. Wildcards do not match
// names that begin with a dot.
//
// # Kinds that follow the flow of control
//
// typestate forbids calls on an object by what was called on it before, along the paths of
// one function body:
//
//	typestate = { enter = 'commit', forbid = 'addCompletedHandler:', when = "entered" }
//
// when = "entered" forbids after an enter call, "fresh" before it (on objects that a made
// call returned in the same body), "open" while a part of the object (made by a part call
// and kept in a variable) had no end call, "ended" on a part that had. type and by narrow
// objects by declared type and by what they were made on, leave names calls after which
// nothing is known. All are regular expressions for whole selectors or names, type and by
// for some part. It reports what goes wrong on every path to a call, and is silent where
// paths differ, where an object was handed on, stored or captured, and inside of @try.
//
// # Rule packs
//
// Packs are rules that come with the program. A rule file asks for them at its top, and may
// say how they differ here:
//
//	packs = ["metal"]
//
//	[pack.metal]
//	files = ["src/**/*.mm"]              # instead of all files of the C family
//	exclude = ["src/old/**"]
//	[pack.metal.rules]
//	"metal.commit-twice" = "off"         # or "warn", "fail"
//
// A pack skips a repository that has none of its files. agent.toml asks for packs by
// checks.packs, without settings; where a rule file has the same pack, the rule file says
// how. What each rule of a pack is for, and what it cannot see, is its doc.
//
// # Acknowledgements
//
//	[[ack]]
//	id = "ST.004"                       # a rule, also one of a program
//	file = "src/pool.mm"                # optional: only what is found there
//	reason = "the wait goes when the pool is rewritten, #118"
//	owner = "ada@example.org"
//	until = 2026-12-31                  # last day, UTC
//
// A failure that is acknowledged is a warning that shows the reason. After the last day it
// is a failure again. An acknowledgement that nothing needs is an error, so that none
// outlives its cause. agent.toml has the same table as [[checks.ack]].
//
// # Old debt and new violations
//
// Every violation has a fingerprint (see [Scheme]): a hash of the rule's id, the tokens that
// matched and the name of the function around them, a hash of the file's path, and a number
// among equal ones. Lines, white space and comments are not in it. Where something is
// missing, the fingerprint is of what is missing and of the function or file that lacks it.
//
// With a result of the base a rule fails only if it has a violation that the base did not
// have; those are shown first. If all were there, the rule is a warning ("3 violations, all
// of them there at 0123abcd"). A violation in a new file may be one of a file that is gone:
// it was renamed. One of a rule that could not be told at the base is new, and so is one
// whose acknowledgement is over. checks.ratchet = false in agent.toml makes all of them
// fail.
//
// # Whose rules judge
//
// A pull request, and a command that names a base, are judged by the rule files of the base,
// so that a change cannot weaken what it is judged by. Its new rules are judged too but only
// told until the change is merged, as are changed ones under the id ID@head; what it adds,
// changes and removes is reported. Acknowledgements count if base and change both have
// them, until the earlier of their days: a change can take one back, not grant itself one.
// A rule file of the base that has mistakes does not judge; the change's own does then.
// checks.rules_from = "head" has every change judged by its own files. Rules and
// acknowledgements of agent.toml always count.
//
// # Fixtures
//
// Beside a rule file lies a folder with its name without .toml, and in it examples of each
// rule, which holdfast checks test judges: holdfast.rules/ST.001/good/* must pass, and
// holdfast.rules/ST.001/bad/* must be violations. A file is judged alone, whatever the
// rule's files say; a folder is a small checkout, in which they hold. Every rule wants both
// kinds. In an ordinary run these folders are not looked at.
//
// # Programs
//
// A check program prints results, and each id that it prints becomes a rule; of several
// results with one id the worst counts. No result at all, and being killed, are errors.
// Places outside of the checkout are told, but are no evidence. Its format is one of:
//
//   - lines: one result a line, "[PASS] id: message" with PASS, WARN, FAIL, ERROR or SKIP,
//     colours allowed. The exit code must be 0 if and only if nothing failed.
//   - json: an array of {id, status, message, file, line} or an object with it under
//     "results". The same holds for its exit code.
//   - sarif: a SARIF 2.1.0 log on standard output. The ids are the rule ids; error fails,
//     warning and note warn, kind pass passes, notApplicable and informational are
//     skipped, open could not be told, review warns. A result whose suppressions are all
//     accepted is skipped. Rules that the tool lists without a result pass, unless they
//     are switched off. A run without results array, or that did not succeed, is an
//     error. Exit code 0 is fine whatever was found; any other needs a result.
//   - clang: the diagnostics of clang, gcc, the static analyser or clang-tidy on either
//     stream. The ids are the warning groups ("-Wthread-safety-analysis"), which warn, or
//     fail under -Werror. Notes belong to the diagnostic before them. The groups that
//     expect lists pass if the program ends with 0 and prints nothing of them; a group
//     counts for its parent ("-Wthread-safety"). Errors are results of the id "compile"
//     and errors, as are unknown warning options, and counts ("2 warnings generated.")
//     above what was read.
package checks

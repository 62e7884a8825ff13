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
// The rules of a repository are in holdfast.rules.toml, in the files of the folder
// holdfast.rules/ (holdfast.rules/*.toml), or in both; checks.rules in agent.toml names
// others. Ids are unique over all of them.
//
// A rule file is TOML: [[rule]] and [[ack]] tables, and packs. An unknown key, a
// bad pattern or glob, a duplicate id and an empty file are mistakes; a file with a
// mistake is not judged by, and the verdict is error.
//
//	[[rule]]
//	id = "ST.001"                       # unique; no spaces or colons
//	title = "the destructor of a thread's slot looks at the pool's flag"
//	kind = "within"                     # one of the kinds below
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
//   - scope, order, near, implies: what must or must not happen while, before, after,
//     near or together with something else; see below.
//   - json: values of JSON files.
//   - aggregate: the outcomes of other rules.
//   - typestate: what may be called on an object depends on what was called before; see
//     below.
//   - wait-under-lock, pool-in-loop, lock-order, condition-wait, double-checked,
//     tls-destructor, captured-this: the rules of the packs, which say what they mean in
//     their doc. They take files, exclude, severity and on_missing only.
//   - info: a fact (text) that is shown as skipped, with its text. It is never judged.
//
// match, absent, count, near, implies, scope and order may have in, too. Every scope that
// it names (overloads, several files) is judged by itself, and all must satisfy the rule;
// with any = true in it one is enough. Its keys are
//
//   - function: named by as much of the qualified name as is needed ("~ThreadSlot",
//     "streampool::Stream::commit"), a method by its selector ("submit:after:") or in full
//     ("-[Queue submit:after:]"). The initialisers of a constructor belong to its body.
//     Lambdas, blocks and functions of local classes belong to the function around them.
//   - class and namespace: likewise; @interface and @implementation are classes.
//   - control: blocks of statements by their keyword: "for", "else", "@synchronized". Only
//     what has braces is one.
//   - lambda = true, block = true: lambdas of C++, blocks of Objective-C.
//   - argument_of: lambdas and blocks that are passed to a call of that name, or of the
//     piece of a selector before them, or that initialise a variable of that name or type.
//   - missing: on_missing for the scopes alone.
//
// Several keys narrow each other: { lambda = true, function = "f" } are the lambdas in f.
// "*" stands for all names; between slashes a name is a regular expression. A file without
// any scope passes where in names none in particular.
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
// $/expression/ stands for one token that the regular expression matches as a whole.
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
// end; where scopes or the order of statements matter also brackets that do not match, or
// match in one branch of an #if and not in the other. (A rule about words that are not in
// the file needs no brackets.) A violation that was found stays one in any case.
//
// Globs are relative to the checkout: * and ? stay inside a name, ** as a whole name
// stands for any folders, and [a-z] and {a,b} are as in shells. Wildcards do not match
// names that begin with a dot.
//
// # Events
//
// The kinds scope, order, near and implies look for events: forbid, require, when and the
// like are one event or a list, of which any will do. An event is
//
//	'[$R commit]'                        # code, like tokens
//	'/g_alive\.(load|test)/'             # a regular expression, between slashes
//	{ call = 'waitUntil(Completed|Scheduled)' }   # a call or message by its whole name
//
// In the code of an event $NAME stands for an operand: a name, literal or bracketed
// expression with the members, indices and calls behind it, such as self.buffer,
// queues[i] or (*p). Events of a rule that share a name mean the same operand.
//
// near: where when matches, require or forbid must or must not match at most lines lines
// (or distance tokens) away, on the side "before" or "after" (both by default), with no
// match of unless in between. view is as for patterns. implies: a file, or a scope of in,
// that has when must have require, or must not have forbid.
//
// vacuous says what it means that an event the rule is about occurs nowhere: "pass" (the
// default), "skip", "fail" or "error". If in names a scope the default is on_missing: such
// a rule exists for the sake of that event. Kind scope passes in any case.
//
// # Scope
//
//	kind = "scope"
//	forbid = { call = 'waitUntil(Completed|Scheduled)' }
//	while_live = "lock"
//
// Each event must not happen while a lock may be held; with require in place of forbid it
// must happen only where a lock is held whatever way leads to it. Locks are lock_guard,
// unique_lock, scoped_lock and shared_lock to the end of the block or statement that
// declares them, to unlock(), release() or std::move; lock() and [x lock] to the unlock of
// the same operand, or the end of the body (weak.lock(), whose result is used, is none);
// std::lock; @synchronized; and the functions of pthread and os_unfair_lock. A deferred
// lock is held from its lock() on; one that is only tried is held perhaps.
//
//	while_live = { of = 'mutex_', guards = ['MutexLock'] }
//	while_live = { acquire = 'begin($R)', release = 'end($R)' }
//
// of is a regular expression for the text of the lock, guard(mutex_); guards are further
// types; acquire and release are events of something else that is held (with locks = true
// beside the locks). Instead of while_live, inside names events, one of which must be in
// the head of a block or statement around: '@autoreleasepool', '/^(for|while)/'.
//
// # Order
//
// sequence: in each file, or scope of in, every step has the step before it somewhere
// above. With dominates = true it is on every way from the begin of the body: before it in
// the same or an enclosing block, in a condition around it or one that returns early; not
// in a sibling branch or a loop that may not run.
//
//	kind = "order"
//	in = { function = "ThreadSlot::~ThreadSlot" }
//	sequence = ['g_alive.load', 'release']
//	dominates = true
//
// forbid_after: on no way does then follow event. require_after: on every way from event
// to the end of the body then follows.
//
//	forbid_after = { event = '[$R commit]', then = '[$R $/add(Completed|Scheduled)Handler/:' }
//	per = "receiver"
//
// An operand means something else, and the search ends, where a name in it is declared or
// assigned, and at each event of reset. An operand with a call or message in it is new
// each time it is evaluated and is not followed. per = "receiver" makes sure that all
// events name an operand.
//
// # What is taken for granted
//
// scope and order know the statements of C++ and Objective-C, && || ?:, switch, try, goto
// to labels, and branches of #if, which may go either way; a statement that an #if cuts in
// two is an error for rules that need its body. A call returns (but abort, exit and
// terminate), a macro is an expression (one with a block behind it may run the block any
// number of times), and exceptions are thrown only inside of a try. A lambda or block is a
// body of its own: it does not run under the locks that are held where it is written, and
// nothing before it counts as checked when it runs; but it runs after what was done before
// it was made. It runs in place if it is called where it stands or is passed to
// dispatch_sync, std::for_each, std::call_once and their like, or to one of synchronous. A
// lambda that is called by its variable's name does not.
//
// # JSON
//
//	kind = "json"
//	files = ["results/*.json"]
//	conditions = ['summary.failed = 0', '**.status != "FAIL"', 'runs[*].seconds < 60']
//
// Every condition holds in every file; with any = true one of them does. A path has names,
// [3], [*] or * for all elements or members, ** for any depth, and quotes around names
// with other characters; all values that it leads to must satisfy = != < <= > >= (against
// JSON, a bare word, or another path after @), =~ or !=~ (a regular expression), exists,
// absent. Numbers compare with numbers and text with text; times of RFC 3339 as times. A
// path that leads nowhere is an error, or what on_missing says. A key that is there twice
// is an error.
//
// newer_than = globs: the file is not older than the last commit that changed one of these
// files, by its own last commit or by the time at the path timestamp (RFC 3339, or seconds
// since 1970). Without history, or in a shallow clone, that is an error.
//
// # Aggregate
//
// of lists ids of rules, also those of programs; * stands for any characters. All must
// pass, with any = true one, with min = n so many. Rules that warn are tolerated (and all
// of them together warn), skipped ones do not count; no rule at all is on_missing. It is
// judged after acknowledgements, which are for its rules and not for it.
//
// # Typestate
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
// Where kinds scope and order say what may go wrong, typestate and the packs say what does.
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
// is a failure again, and the acknowledgement itself an error; so is one that nothing needs:
// none outlives its cause or its day unnoticed. agent.toml has the same table as
// [[checks.ack]].
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

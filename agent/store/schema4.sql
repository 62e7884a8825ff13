-- Version 4: bisections, the search for the first bad commit of a range.

alter table run add column bisection bigint not null default 0; -- that the run is a probe of
create table bisection (
    id          bigint primary key,
    ident       text   not null unique, -- what may exist once; freed by "#id" when one by hand ends
    repo        text   not null,
    branch      text   not null,
    question    text   not null, -- bisect.Question
    commits     text   not null, -- []runner.Commit along first parents, the good end first
    origin      bigint not null, -- run that found the step; 0: by hand
    direct      bigint not null, -- 1: by the process that created it or takes it up
    max_probes  bigint not null,
    max_ms      bigint not null, -- of examining
    state       text   not null, -- running, done
    result      text   not null, -- bisect.Result, once done
    created_at  bigint not null,
    finished_at bigint not null
);
create index bisection_by_branch on bisection (repo, branch, id);
create index bisection_open on bisection (state);

-- One examination of one commit, in the order of seq. The run is made with it.
create table probe (
    bisection bigint not null,
    seq       bigint not null, -- from 0
    position  bigint not null, -- in commits
    run       bigint not null,
    outcome   text   not null, -- bisect.Outcome; "" while the run goes on
    reason    text   not null,
    took_ms   bigint not null,
    primary key (bisection, seq)
);

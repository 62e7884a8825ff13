-- Version 7: commands in comments, and what runs of pull requests may do.

alter table run add column fork bigint not null default 0;        -- 1: the code of a stranger

-- A command that somebody gave in a comment, kept so that each is done once. It is written
-- before anything is done, with the commit that it is bound to.
create table command (
    repo     text   not null,
    comment  bigint not null,    -- number of the comment on GitHub
    pull     bigint not null,
    author   text   not null,
    verb     text   not null,
    text     text   not null,    -- the command as it was given, one line
    sha      text   not null,    -- head of the pull request when it was seen
    upto     bigint not null,    -- number of the newest run then
    run      bigint not null,    -- run that it started; 0 for none
    done     bigint not null,    -- 1: nothing is left to do
    accepted bigint not null,    -- 1: it was not refused
    answer   text   not null,    -- one line; '' if there is nothing to say
    seen_at  bigint not null,
    primary key (repo, comment)
);
create index command_by_pull on command (repo, pull, comment);

-- Version 9: who lives, and what was about to be created on GitHub. Times of this version
-- are those of the database's clock.

-- The processes that may have claimed something, each by its owner name. One that is
-- taken for lost, and comes back, says so by its next beat.
create table agent (
    owner   text   primary key,
    name    text   not null, -- of the machine, for people
    class   text   not null, -- runner.Machine.Class
    queues  text   not null, -- that it works, each with a space before and behind; '' for a process that works none
    beats   bigint not null, -- grows while it lives; others look whether it stands still
    since   bigint not null,
    seen_at bigint not null, -- the newest beat
    lost_at bigint not null  -- when others took over what it had claimed; 0 while it lives
);

alter table outbox add column intent_at bigint not null default 0; -- creating it was begun and is not known to have ended; 0 if not

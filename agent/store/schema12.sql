-- Version 12: jobs that ask for a machine.

alter table job add column machine text not null default '';       -- that it asks for, in the words of agent.toml; '' for any
alter table job add column wait_ms bigint not null default 0;      -- how long it waits for one; 0 if it asks for none
alter table job add column unserved_at bigint not null default 0;  -- since when it has been told that nobody who lives works its queue, by the database's clock; 0 if somebody does
create index job_unserved on job (unserved_at) where unserved_at > 0;

-- Version 10: in a fleet one process does a command, and others leave it alone while it lives.

alter table command add column owner text not null default '';

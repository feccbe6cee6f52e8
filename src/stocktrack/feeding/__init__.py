"""The feed: a process without clients that asks the sources once for any number of servers, by Redis."""

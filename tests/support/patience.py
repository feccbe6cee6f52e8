"""How long a test waits for what has to come, in one place."""

# Real time, whatever clock a server has. No test waits this long unless something is broken: it is what a program, a
# browser and a database need to start on two processors that twenty other programs want as well.
PATIENCE_SECONDS = 60.0

"""What a reader is told first on the pages of the machines: no logic is needed for it."""

from __future__ import annotations

from properties.prove.engine import claimed_of

REPLICATION = """\
This is one partition of a Kafka topic with its replicas and its controller: who may lead, who is in sync, what
followers copy, when the high watermark rises, what is lost when brokers fail. It is written down as a *machine*: what
there is to know at one moment (the *state*), and who may do what then (the *actions*). An action has *guards*, which
are what has to be so for it to be taken, and then it changes the state. Nothing else ever happens. Messages may be
late, come twice, or never; brokers stop at any moment, and may come back with all that they had, with less, or with
nothing. What a record holds is not looked at, only its offset and its leader epoch; and there is no clock: that
something takes long means that other things happen first.

**What “proved for any number of replicas” means.** A *theorem* is a sentence about all that can ever happen. Trying out
is no way to show it: there is no end of replicas, records and failures. Instead there is an *invariant*: {conditions}
conditions, counted over all settings of failures, that together say which states can come up. A program that looks for
contradictions (an SMT solver, z3) was asked, for every action and every condition: is there any state in which all
conditions hold, and after the action this one does not? It answered that there is none, whatever the number of
replicas, the lengths of logs, and the epochs. So the conditions hold at first and after every step, that is, always;
and the theorem follows from them. Each theorem says what it takes for granted. Nothing here is about Kafka's code: what
is shown is that these rules are enough.

**How to read a counterexample.** Leave out a guard or an assumption, and something goes wrong: a computer looked for a
way in which it does so, up to some size, and at times with some actions left out, so that there is less to look at;
each page says which. In what it looked at no way is shorter. It is told step by step. The title of a step says who does
what; beside it stands what it changes, and for whom. In the drawing time goes downwards, each replica and the
controller has a line of its own, and a dot marks a line on which something changes. The last step breaks the theorem.
Follow the records (`log[0]: 1` is: at offset 0 there is a record of leader epoch 1), the high watermark (`hw`), and who
is in the ISR; mostly somebody is elected, or counted, who does not have what was committed.
"""

DURABILITY = """\
This is one log on one disk. What is written goes to the page cache first, and from there to the disk whenever the
operating system likes, in any order and in part, or when it is synced; the power may be lost at any moment. So the
state has most things twice: as they are read, and as a loss of power would leave them. A record is known by its offset
and by the opening of the log in which it was appended; 0 is no record, whatever bytes there are. The machine says what
has to be synced before what, so that a flush keeps its word; what the cases of DUR look at rests on it.

Kafka syncs a little less: not a file that it has cut, and not the directory from which it removed the marker of a clean
stop. It leans on file systems that keep the order of such changes; two of the mistakes below show what may happen on
one that does not.

In a counterexample the process, the page cache and the disk have a line each: what the process keeps in mind, what is
read, and what a loss of power would leave. Follow the record (`log[0]: 1` is: the one at offset 0 was appended in the
first opening), and what is believed of the disk when the log is opened.
"""

PUBLISHED_DESIGN = """\
This is one of five designs that were written down in TLA+ and published (hachikuji/kafka-specification), each a step in
how Kafka came to truncate followers' logs. They are here in this project's language, sharing what they share, to show
that language and explorer are right: numbers of states and of steps, levels, and levels of violations are those that
TLC counts. Nothing is proved of them; every state of small sizes is looked at. An action has *guards*, which are what
has to be so for it to be taken, and then it changes the state. A *counterexample* is a way to a state in which what
must hold does not, and none is shorter for that size; it is told step by step, with what each step changes, and for
whom.
"""

PRODUCER = """\
This is what a leader keeps of an idempotent producer, and what it answers. The bundled suite runs the same text
beside a broker to know which answers are allowed.
"""


def introduction(name: str) -> str:
    """What is said first of a machine."""
    if name == "replication":
        clauses = {clause for claims in claimed_of(name).values() for clause in claims.clauses}
        return REPLICATION.format(conditions=len(clauses))
    return {"producer": PRODUCER, "durability": DURABILITY}.get(name, PUBLISHED_DESIGN)

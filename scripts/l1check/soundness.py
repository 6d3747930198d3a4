"""Proven bits of a proof, recomputed from its parameters.

Source: eprint 2024/1553, Theorem 2 (list decoding) and Theorem 3 (unique decoding): the round-by-round error of a STARK is the largest of the errors of its rounds. The terms are as winterfell's estimator takes them
(`winter-air` 0.13, `proof/security.rs`), which Starling's claim rests on; its two simplifications are named where they occur.
"""

from math import ceil, log2, sqrt

# What is no parameter of the contract but written into its source (which the first check compares with the deployed code).
FIELD_BITS = 64  # Goldilocks
EXTENSION = 3  # challenges and the tested polynomials live in the cubic extension
FOLDING = 8
DIGEST_BYTES = 25
# An auxiliary segment, a composition and a trace are opened at z, the trace also at the next row.
OPENINGS = 2
# Multiplicities are tried up to here: beyond, the commit phase's error grows faster than the queries' shrinks.
MOST_MULTIPLICITY = 1000


def multiplicities(rows):
    """The multiplicities m that Theorem 2 admits: the bound must stay below the capacity (eprint 2021/582, Theorem 1).

    At half the rows the list would be infinite, which the estimator counts as no security at all.
    """
    most = ceil(1 / (2 * (sqrt((rows + 2) / rows) - 1)))
    return range(3, min(most, rows // 2, MOST_MULTIPLICITY))


def list_decoding(m, rows, blowup, queries, grinding):
    """The bits of each round at multiplicity m (Theorem 2). Their minimum is what is proven."""
    field = FIELD_BITS * EXTENSION  # log2 |F|
    rho = 1 / blowup  # rate of the code
    domain = rows * blowup  # n, the evaluation domain
    # The fraction of positions at which a word that is not close may agree with a codeword: 1 - delta = sqrt(rho) (1 + 1/2m).
    agreement = (1 + 0.5 / m) * sqrt(rho)
    # How many codewords lie within that distance: the list that every later round must be union-bounded over.
    codewords = m / (rho - 2 * m / domain)
    # Constraint degree; the estimator takes the blowup as a bound for it.
    degree = blowup + 1
    return {
        # ALI: constraints that do not hold combine to one that does. Each has a coefficient of its own (linear batching), so
        # that their number costs nothing: list / |F|.
        "constraints": field - log2(codewords),
        # DEEP: at the random point z two different members of the lists agree.
        "out of domain": field - log2(codewords**2 * (degree * (rows + OPENINGS - 1) + (rows - 1))),
        # FRI's commit phase: the random combination of words that are not close is close. First term of eq. 7 of eprint
        # 2022/1216; the estimator leaves out the others, and those of the folds, as negligible. Linear batching here too.
        "batching": field - log2((m + 0.5) ** 7 / (3 * rho**1.5) * domain**2),
        # FRI's queries: all of them meet positions that agree, once in 2^grinding attempts.
        "queries": grinding - queries * log2(agreement),
    }


def unique_decoding(rows, blowup, queries, grinding):
    """As [list_decoding], up to half the distance (Theorem 3): no lists, but every query counts for less."""
    field = FIELD_BITS * EXTENSION
    domain = rows * blowup
    agreement = (1 + (rows + OPENINGS) / domain) / 2
    return {
        "constraints": float(field),
        "out of domain": field - log2((blowup + 1) * (rows + OPENINGS - 1) + (rows - 1)),
        "batching": field - log2(domain),
        "folds": field - log2((FOLDING - 1) * (domain + 1)),
        "queries": grinding - queries * log2(agreement),
    }


def proven_bits(log_rows, log_blowup, queries, grinding):
    """The bits proven by list decoding at the best multiplicity, and the term that bounds them.

    Never more than half a digest's bits: whoever finds a collision can open a root to two tables.
    """
    rows, blowup = 1 << log_rows, 1 << log_blowup
    best = max((list_decoding(m, rows, blowup, queries, grinding) for m in multiplicities(rows)), key=lambda e: min(e.values()))
    term = min(best, key=best.get)
    protocol = max(0, int(best[term]))
    unique = max(0, int(min(unique_decoding(rows, blowup, queries, grinding).values())))
    collisions = 4 * DIGEST_BYTES
    return {
        "bits": min(protocol, collisions),
        "protocol": best[term],
        "term": term,
        "unique": min(unique, collisions),
        "collisions": collisions,
    }

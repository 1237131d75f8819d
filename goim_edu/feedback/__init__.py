"""How an answer is tried and how a learner is told: cards, sandbox, wording."""

"""For each kind of mistake, the question that leads on.

A diagnosis says what the learner's numbers are.  The question asks for the reason, in the formula and
not in the code, so that the answer is worth something at the next layer too.
"""
QUESTIONS = {
    # the numbers are those of another formula
    "RATIO": "Which constant does the forward multiply or divide by, and how often does the chain rule meet it?",
    "FACTOR": "Write ∂y/∂x of this one step on paper: which factor of it has no counterpart in your line, or one too "
              "many?",
    "DYFACTOR": "g is the gradient behind this step; which local derivative brings it in front of the step before?",
    "IDENTITY": "g came through unchanged.  For which function is that right, and what is the slope of this one?",
    "ADDITIVE": "What is the derivative of each term of the forward?  One term has too many here, or none.",
    "DIAGONAL": "Does output i depend on input j ≠ i?  If so, what does input j get back from it?",
    "SUBST": "Name each array of your formula and its shape.  At which values, in which order, is the derivative taken?",
    "CONST": "Which settings did the forward use (stride, padding, target, noise), and where does your backward use "
             "them?",
    "COMPUTES": "Your formula computes this.  What does the derivative say it should compute?",
    "PRODUCT": "A factor is lost on the way.  Write the chain rule as a product, one factor per step, and count.",
    "RETURNS": "This is one of the arrays that came in.  What has to be done with it?",
    # sums
    "UNSUMMED": "An entry that was used many times (broadcast) gets a gradient from every use.  What does the chain "
                "rule do with those?",
    "WRONG_AXES": "Along which axes was this input repeated in the forward?  Only those are summed.",
    "OVERSUMMED": "Which entries of the output does one entry of this input reach?  Sum over those, no others.",
    "CONTRIB": "Every pass of the loop adds something.  What happens to what the passes before had added?",
    "OVERWRITTEN": "Two windows overlap: one entry gets two contributions.  What does `=` do with the first?",
    "PATHS": "On how many ways does this value reach the loss?  What does the chain rule do with several ways?",
    "DROPPED": "Which entries does your loop never visit?",
    # order and place
    "TRANSPOSED": "A gradient has the shape of what it is the gradient of.  Which of two indices of the sum stays "
                  "first?",
    "REORDERED": "reshape keeps the reading order, transpose changes it.  Which of the two does the formula ask for?",
    "SHAPE_RESHAPE": "Which axis was lost, and which setting (keepdims) keeps it?",
    "SHAPE": "Which shape must this have, and which index does each of its axes stand for?",
    "FLIPPED": "Follow one entry: which k, l belongs to which pixel, in the forward and in your loop?",
    "SHIFTED": "Where does pixel (0, 0) lie in the padded image?",
    "UNCROPPED": "Which part of the padded image is the image?",
    "MISROUTED": "Which entry was it that made the output?  Only that one gets the gradient.",
    "LEAK": "Which entries did not matter in the forward?  What is the slope of the output in them?",
    "LOCAL": "What is special about these entries, in the forward?",
    # the gradient that arrives
    "DY": "g is different for every entry of the output.  Does your formula treat it so?",
    "ZERO": "Does this input change the output at all?  Then its gradient cannot be zero everywhere.",
    "NO_GRAD": "The loss depends on this input too: what is its gradient?",
    "NOT_FINITE": "Where does exp overflow, or log or a division meet a zero?  Which equal formula avoids it?",
    "KINK": "At the kink itself, which slope is agreed on (see the text), and which does your comparison pick?",
    # losses of several terms
    "TERMS": "Take the terms of the loss one by one.  What does each send to this input, with which sign and factor?",
    "TERM_FACTOR": "In that term, write z as the function of this input that it is.  What is its derivative?",
    # behaviour
    "MUTATES": "Who else still needs this array after you?",
    "ALIAS": "Two names, one array: what happens to the one when the other is changed?",
    "ACCUMULATES": "What is in this buffer when the function is called a second time?",
    "STALE": "Which of your values is from an earlier call?",
    "NONDETERMINISTIC": "The forward drew its noise.  Which noise must the backward use?",
    "PRECISION": "Which line makes float32 of float64?",
    "CRASH_SHAPES": "Write the shape of each factor above it.  Which product is possible when no two sizes are equal?",
    "CRASH": "Write the shape of each array above it.  Which line does not fit?",
    # exercises that are not about one gradient
    "VALUE": "Take the example of the text and follow it by hand, line by line: which number is the first to differ?",
    "ONE_SIDED": "An error that halves when h halves is of first order.  Which second point cancels the h² f''/2 of "
                 "Taylor's series?",
    "ORDER": "In which order must nodes send their gradient back, so that each is complete when its turn comes?",
    "DETACH": "Which network is to learn in this step?  Where does the graph lead beyond it, and where must it be cut?",
    "SPREAD": "Half the logarithm of the variance is the logarithm of what?",
    "NOISE": "Which of mean and spread should the noise be multiplied by?",
    "STEP": "Which way does the loss fall, and which gradients belong to this batch alone?",
    "MONOTONE": "Each half of the step may only lower the inertia.  Which half raises it here?",
    "EMPTY": "A mean of no points: 0/0.  What should become of a centre that no point chose?",
    "RACE": "Two threads write to one place.  Who owns which entry of the result?",
    "NAME": "Put small numbers into both formulas.  What is A / N, what is A − N, in which entries do they differ?",
}
PLAIN = {"SYNTAX", "EXIT", "INPUT", "MEMORY", "RECURSION", "ERROR", "UNFINISHED", "BROKEN", "TIMEOUT", "FLOOD", "DIED",
         "GONE", "SIGNATURE", "RESULTS", "NONE", "TYPE", "NUMBA", "PLAIN"}
GENERAL = "Take the example of the text and follow it by hand: which number is the first to differ?"


def question(code: str) -> str | None:
    """The question for a diagnosis; None where the sentence itself says what to do (a syntax error, a time limit)."""
    return None if code in PLAIN else QUESTIONS.get(code, GENERAL)

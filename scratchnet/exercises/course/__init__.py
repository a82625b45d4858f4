"""The exercises in their order.  A file here is what the learner gets, with the solution between its marks."""

CHAPTERS = (
    ("Slopes", "numeric_derivative chain_rule reuse_and_accumulate"),
    ("Shapes", "unbroadcast reductions"),
    ("Layers", "dense_backward activations name_the_mistake"),
    ("Losses and training", "softmax_cross_entropy bce_with_logits train_xor"),
    ("Convolution", "conv2d_loops conv2d_dx im2col conv_transpose2d numba_kernel"),
    ("Models", "autoencoder vae gan_step kmeans"),
    ("Find the bug", "bug_mlp bug_embedding bug_conv_layer bug_maxpool bug_attention bug_rnn bug_vae bug_gan"),
)

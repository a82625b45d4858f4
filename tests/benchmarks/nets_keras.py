"""The same networks and steps in Keras on TensorFlow, in graph mode (tf.function): channels last, as its layers want."""
from __future__ import annotations

from .nets import CONV_AE, DECODER, DENSE_AE, DISCRIMINATOR, ENCODER, GENERATOR, NOISE, Step, images


def set_threads(n: int) -> None:
    import tensorflow as tf
    try:
        tf.config.threading.set_intra_op_parallelism_threads(n)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:                        # already running, so they are set
        assert tf.config.threading.get_intra_op_parallelism_threads() == n


def built(table: list[tuple], shape: tuple):
    """A Sequential for inputs of `shape`, without the batch axis."""
    from keras import Input, Sequential, layers as L
    made = {"conv": lambda c, f, k, s, p: L.Conv2D(f, k, s, padding="same"),
            "transposed": lambda f, c, k, s, p, o: L.Conv2DTranspose(c, k, s, padding="same"),
            "dense": lambda d, m: L.Dense(m), "reshape": lambda c, h, w: L.Reshape((h, w, c)),
            "batchnorm": lambda c: L.BatchNormalization(momentum=0.9, epsilon=1e-5),
            "relu": L.ReLU, "leaky": lambda slope: L.LeakyReLU(negative_slope=slope),
            "tanh": lambda: L.Activation("tanh"), "flatten": L.Flatten}
    return Sequential([Input(shape), *(made[kind](*sizes) for kind, *sizes in table)])


def keras_step(name: str, batch: int = 128) -> Step:
    import tensorflow as tf
    x = tf.constant(images(batch).transpose(0, 2, 3, 1))
    image = tuple(x.shape[1:])
    if name == "vae":
        return vae(x, image)
    if name.startswith("dcgan"):
        return dcgan(2 * x - 1, image)
    model = built(CONV_AE if name == "conv_ae" else DENSE_AE, image)

    def loss_of(y):
        if name == "conv_ae":
            return tf.reduce_mean(tf.square(y - x))
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(x, y))
    return stepping(lambda: loss_of(model(x, training=True)), [model])


def stepping(loss_of, nets: list) -> Step:
    import tensorflow as tf
    from keras.optimizers import Adam
    weights = [w for net in nets for w in net.trainable_weights]
    adam = Adam(1e-3)
    adam.build(weights)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = loss_of()
        adam.apply_gradients(zip(tape.gradient(loss, weights), weights))
        return loss
    return Step(lambda: float(step()), count(nets))


def vae(x, image: tuple) -> Step:
    import tensorflow as tf
    encoder, decoder = built(ENCODER, image), built(DECODER, (2,))
    mu, logvar = built([("dense", 16, 2)], (16,)), built([("dense", 16, 2)], (16,))

    def loss():
        h = encoder(x, training=True)
        m, v = mu(h), logvar(h)
        logits = decoder(m + tf.exp(0.5 * v) * tf.random.normal(tf.shape(m)), training=True)
        rec = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(x, logits))
        kl = 0.5 * tf.reduce_sum(m * m + tf.exp(v) - 1 - v)
        return (rec + kl) / len(x)
    return stepping(loss, [encoder, mu, logvar, decoder])


def dcgan(real, image: tuple) -> Step:
    import tensorflow as tf
    from keras.optimizers import Adam
    G, D = built(GENERATOR, (NOISE,)), built(DISCRIMINATOR, image)
    adam_g, adam_d = Adam(2e-4, beta_1=0.5), Adam(2e-4, beta_1=0.5)
    adam_g.build(G.trainable_weights), adam_d.build(D.trainable_weights)

    def bce(logits, target):
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), target), logits))

    @tf.function
    def step():
        with tf.GradientTape() as tape_g:
            fake = G(tf.random.normal((len(real), NOISE)), training=True)
            with tf.GradientTape() as tape_d:
                loss_d = bce(D(real), 1.0) + bce(D(tf.stop_gradient(fake)), 0.0)
            adam_d.apply_gradients(zip(tape_d.gradient(loss_d, D.trainable_weights), D.trainable_weights))
            loss_g = bce(D(fake), 1.0)
        adam_g.apply_gradients(zip(tape_g.gradient(loss_g, G.trainable_weights), G.trainable_weights))
        return loss_d, loss_g
    return Step(lambda: [float(loss) for loss in step()], count([G, D]))


def count(nets: list) -> int:
    return sum(int(w.shape.num_elements()) for net in nets for w in net.trainable_weights)

/*
 * base/courtesy.h - how a thread that prepares keeps out of the way of those that serve.
 *
 * A new generation starts beside the old one, often on the same CPU, where a client waits for what
 * the scheduler gives to whom.
 */
#ifndef SX_BASE_COURTESY_H
#define SX_BASE_COURTESY_H

/* Of the calling thread; threads and processes that it starts have normal ones.  With a short slice
 * the scheduler goes back sooner to who has waited; the shares stay the same. */
void sx_courtesy_slice_short(void);
void sx_courtesy_slice_normal(void);

/* Between two steps of work: sleeps for a moment (a quarter of a millisecond). */
void sx_courtesy_pause(void);

#endif /* SX_BASE_COURTESY_H */

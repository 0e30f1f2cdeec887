/*
 * supervisor/parcel.h - what the reader of a reload hands over besides the configuration: the
 * copies of its plugins, with their descriptors, and what there is to say of them.
 *
 * Over a SOCK_SEQPACKET pair (sx_control_open), for whoever looks when the sender has ended:
 * packets keep their descriptors, and these the locks of the copies, until they are received or
 * their socket is closed.
 */
#ifndef SX_SUPERVISOR_PARCEL_H
#define SX_SUPERVISOR_PARCEL_H

#include "base/report.h"
#include "supervisor/copies.h"

/* All of them stay the caller's.  copies: NULL where there are faults.  SX_ERR_NOMEM, SX_ERR_IO
 * with errno. */
int sx_parcel_send(int fd, const struct sx_copies *copies, const struct sx_report *notices,
                   const struct sx_report *faults);

/* Never blocks.  Adds to notices and rep; where there are faults, or it is no parcel, which is one
 * more, no copies are given: SX_ERR_INVALID.  SX_ERR_MISSING: nothing was sent; SX_ERR_IO with
 * errno, SX_ERR_NOMEM. */
int sx_parcel_receive(int fd, struct sx_report *notices, struct sx_report *rep,
                      struct sx_copies *ret_copies);

#endif /* SX_SUPERVISOR_PARCEL_H */

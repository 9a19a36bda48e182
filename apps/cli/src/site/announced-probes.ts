import type { AdminClient } from '@sallyport/admin-client';
import { entranceRoutes, Problem } from '@sallyport/protocol';
import { Failure } from '../failure.js';

// With and without TLS.
const count = 2;

/** Tells a service that we are about to connect as a stranger, so that its log does not tell of an attack. */
export async function announceProbes(client: AdminClient): Promise<void> {
  try {
    await client.call(entranceRoutes.expectProbes, { body: { count } });
  } catch (fault) {
    // It only costs a line in the log of a service that does not know this, or does not answer.
    if (!(fault instanceof Problem || fault instanceof Failure)) throw fault;
  }
}

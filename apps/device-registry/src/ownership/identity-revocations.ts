import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { type IdentityRevocation, revokeIdentities } from '@sallyport/protocol';
import { ConnectedContext, FaultLog } from '@sallyport/runtime';
import { type Operation, Outbox, Store } from '@sallyport/store';

// The signer builds a new CRL before it answers.
const signerDeadlineMs = 10_000;

/** Asks the signer to revoke the certificates of devices that were given up: until it has done so, and at least once. */
@Injectable()
export class IdentityRevocations implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly outbox: Outbox;
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly context: ConnectedContext,
    store: Store,
  ) {
    this.outbox = new Outbox(store, 'revocations/');
  }

  onApplicationBootstrap(): void {
    const { signal } = this.stopping;
    const ask = async (_topic: string, request: unknown): Promise<void> => {
      const revocation = revokeIdentities.request.parse(request);
      await this.context.rpc.call(revokeIdentities, revocation, { deadlineMs: signerDeadlineMs, signal });
    };
    const { log, clock } = this.context;
    const faults = new FaultLog(log, clock, 'signer did not revoke the certificates of a device, will try again');
    this.running = this.outbox.run(ask, { signal, onRetry: faults.note });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  /** The operation that asks for it. Make a new one for each attempt of the transaction. */
  record(revocation: IdentityRevocation): Operation {
    return this.outbox.record(revokeIdentities.pattern, { ...revocation }, revocation.deviceId.toLowerCase());
  }
}

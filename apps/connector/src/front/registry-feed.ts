import { randomBytes } from 'node:crypto';
import { registryDeadlineMs } from '@sallyport/entrance';
import { describeConnectors, reportConnectorsVersion } from '@sallyport/protocol';
import type { ConnectedContext } from '@sallyport/runtime';
import { ConnectorDirectory } from './connector-directory.js';

/** What the registry and this listener tell each other about connectors. */
export class RegistryFeed {
  private readonly listener = randomBytes(16).toString('hex');

  constructor(private readonly context: Pick<ConnectedContext, 'rpc'>) {}

  /**
   * @param known is returned again while it is the newest
   * @throws when the registry does not answer
   */
  async read(known: ConnectorDirectory | undefined): Promise<ConnectorDirectory> {
    const answer = await this.context.rpc.call(describeConnectors, {}, { deadlineMs: registryDeadlineMs });
    return answer.version === known?.version ? known : ConnectorDirectory.of(answer);
  }

  /**
   * Says which version is in force here: a save waits for that.
   *
   * @param options.leaves this process stops
   */
  async report(version: number, { leaves }: { readonly leaves: boolean }): Promise<void> {
    await this.context.rpc.call(
      reportConnectorsVersion,
      { listener: this.listener, version, leaves },
      { deadlineMs: registryDeadlineMs },
    );
  }
}

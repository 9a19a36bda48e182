import type { AdminClient } from '@sallyport/admin-client';
import { type AuditCheckpoint, type AuditRow, auditRoutes, type ServiceName, serviceName } from '@sallyport/protocol';
import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { type GlobalOptions, globalOptions, openSettings } from '../options.js';

/** Services that keep an audit log. */
export const auditedServices = [
  'device-registry',
  'pki-signer',
  'connector',
  'coap-gateway',
] as const satisfies readonly ServiceName[];
/** Every site has these. The log of a connector or of the CoAP gateway is named. */
const usualServices = ['device-registry', 'pki-signer'] as const satisfies readonly ServiceName[];

export const auditedService = serviceName.extract([...auditedServices]);
export type AuditedService = z.infer<typeof auditedService>;

/** Options of every command about audit logs. */
export const auditOptions = globalOptions.extend({ service: auditedService.optional() });

export function serviceOption(): Option {
  return new Option('--service <name>', 'only the log of this service').choices(auditedServices);
}

/** One service's log, at its admin API. */
export class RemoteLog {
  private constructor(
    readonly service: AuditedService,
    private readonly client: AdminClient,
  ) {}

  /** The logs that the options name. */
  static async open(
    context: CliContext,
    options: GlobalOptions & { readonly service?: AuditedService | undefined },
  ): Promise<RemoteLog[]> {
    const settings = await openSettings(context, options);
    const named = options.service === undefined ? usualServices : [options.service];
    return Promise.all(
      named.map(
        async (service) => new RemoteLog(service, await adminClientFor(service, settings, { context, options })),
      ),
    );
  }

  /** Every row after one, page by page. */
  async *pages(after = 0): AsyncGenerator<readonly AuditRow[]> {
    let from: number | undefined = after;
    while (from !== undefined) {
      const page: { rows: readonly AuditRow[]; after?: number | undefined } = await this.client.call(
        auditRoutes.listRows,
        { query: { after: from, limit: 1000 } },
      );
      yield page.rows;
      from = page.after;
    }
  }

  async checkpoints(): Promise<readonly AuditCheckpoint[]> {
    return (await this.client.call(auditRoutes.listCheckpoints, {})).checkpoints;
  }

  /** The sequence number of the newest row. */
  async length(): Promise<number> {
    return (await this.checkpoints()).at(-1)?.sequence ?? 0;
  }
}

/** A number of rows, as typed. */
export function rowCount(text: string): number {
  const count = z.coerce.number().int().min(0).max(10_000).safeParse(text);
  if (!count.success) throw new InvalidArgumentError('Give a whole number from 0 to 10000.');
  return count.data;
}

import { auditRoutes, type ServiceName } from '@sallyport/protocol';
import { auditedServices } from '../../audit/audited-services.js';
import { type Check, error, type Finding } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** No row of an audit log was changed, removed or moved. */
export const auditLogs: Check = {
  id: 'audit-logs',
  title: 'audit logs',
  run: async (checked) => (await Promise.all(auditedServices.map((service) => inspect(checked, service)))).flat(),
};

async function inspect({ services, remedies }: CheckedSite, service: ServiceName): Promise<Finding[]> {
  const state = services.find((each) => each.service === service);
  if (state?.isRunning !== true) return [];
  const verdict = await state.client.call(auditRoutes.verify);
  if (verdict.intact) return [];
  const what = `The audit log of ${service} was changed: row ${verdict.brokenAt} ${verdict.fault}. The ${verdict.rows} rows before it are intact.`;
  // Nothing can put a row back. An export keeps what there is, for comparison with a backup.
  const keep = remedies.run('audit', 'export', '--service', service, '--out', `audit-of-${service}.ndjson`);
  return [error(what, keep)];
}

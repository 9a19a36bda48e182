import type { CloudConnection } from '@sallyport/cloud';
import { type EntranceDescription, entranceRoutes } from '@sallyport/protocol';
import { ServiceUnreachable } from '../admin/service-unreachable.js';
import { Failure } from '../failure.js';
import { sendLocal } from '../http/local-request.js';
import { clientFiles, cloudProxy } from '../http/local-service.js';
import type { Site } from '../site/site.js';
import type { CloudSteps } from './cloud-step.js';

const step = 'Verifying the Cumulocity proxy reaches the tenant';
/** Every device may read which tenant it is in. */
const target = '/c8y/tenant/currentTenant';

/**
 * Reads from the REST API through the proxy, as `curl http://localhost:8001/c8y/...` does.
 *
 * @throws Failure: the proxy does not answer, or not with the answer of Cumulocity
 */
export async function proveProxy(site: Site, connection: CloudConnection, steps: CloudSteps): Promise<void> {
  const { context } = site;
  const settings = site.settings.ofProfile(connection.profile);
  const entrance = await proxyEntrance(site, connection);
  if (entrance === undefined) return steps.note(step, 'skipped', 'the service c8y-proxy does not run');
  if (!entrance.isOpen) return steps.note(step, 'skipped', entrance.shutReason ?? 'its entrance is shut');
  if (entrance.level === 'mutual' && clientFiles(settings) === undefined)
    return steps.note(step, 'skipped', 'it asks for a certificate, and http.client.auth.cert_file is not set');
  await steps.run(step, async () => {
    const service = cloudProxy(settings);
    const answer = await sendLocal({ settings, signal: context.signal }, { service, method: 'GET', target });
    answer.resume();
    const { statusCode: status = 0 } = answer;
    if (status >= 200 && status < 300) return;
    throw new Failure(
      `The Cumulocity proxy answered GET ${target} with status ${status}.`,
      `Find out why: tedge doctor. See what it says (tedge http get ${target}), and look at the log of the service c8y-proxy.`,
    );
  });
}

/** Undefined when the service does not run, or has no entrance for this connection. */
async function proxyEntrance(site: Site, { profile }: CloudConnection): Promise<EntranceDescription | undefined> {
  const client = await site.client('c8y-proxy');
  try {
    const { entrances } = await client.call(entranceRoutes.list);
    return entrances.find((entrance) => entrance.profile === profile);
  } catch (fault) {
    if (fault instanceof ServiceUnreachable && fault.isAbsent) return undefined;
    throw fault;
  }
}

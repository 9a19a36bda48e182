import { join } from 'node:path';
import { Problem, type SecurityLevel, type ServiceName } from '@sallyport/protocol';
import { exists } from '../cert/device-files.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import type { GlobalOptions } from '../options.js';
import { securedGroups } from '../site/secured-group.js';
import { type ServiceState, serviceStates } from '../site/service-state.js';
import { openSite, type Site } from '../site/site.js';
import { fetchTrust, noTrust, type SiteTrust } from '../site/trusted-roots.js';
import { Remedies } from './remedies.js';

/** What the checks look at. */
export interface CheckedSite {
  readonly context: CliContext;
  readonly site: Site;
  readonly remedies: Remedies;
  /** False on a device that runs no service: there, only its own certificate is checked. */
  readonly isGateway: boolean;
  readonly services: readonly ServiceState[];
  /** The CAs of the site; none when its signer does not answer. */
  readonly trust: SiteTrust;
  /** Why a signer that runs does not tell the CAs; undefined when it does. */
  readonly trustFault: string | undefined;
  /** The highest level any listener is set to. */
  readonly level: SecurityLevel;
}

/** @throws Problem `config-invalid`: the settings cannot be read */
export async function openCheckedSite(context: CliContext, options: GlobalOptions): Promise<CheckedSite> {
  const quiet = { ...context, stderr: { write: () => true } };
  const site = await openSite(quiet, options);
  const services = await serviceStates(site);
  const signer = services.find(({ service }) => service === 'pki-signer');
  return {
    context,
    site,
    remedies: new Remedies(context, options, site.settings),
    isGateway: services.some(isPresent) || (await hasSiteParts(site)),
    services,
    ...(await trustOf(signer)),
    level: configuredLevel(site),
  };
}

async function trustOf(signer: ServiceState | undefined): Promise<Pick<CheckedSite, 'trust' | 'trustFault'>> {
  if (signer?.isRunning !== true) return { trust: noTrust, trustFault: undefined };
  try {
    return { trust: await fetchTrust(signer.client), trustFault: undefined };
  } catch (fault) {
    if (!(fault instanceof Problem || fault instanceof Failure)) throw fault;
    return { trust: noTrust, trustFault: fault.message };
  }
}

/** Whether a service answers at the moment. */
export function isRunning({ services }: CheckedSite, service: ServiceName): boolean {
  return services.some((state) => state.service === service && state.isRunning);
}

/** True also when nothing runs because a part of the site is lost. */
async function hasSiteParts({ settings: { directory } }: Site): Promise<boolean> {
  return (await exists(join(directory, 'pki'))) || (await exists(join(directory, 'site')));
}

function isPresent(state: ServiceState): boolean {
  return state.isRunning || state.code !== 'ENOENT';
}

function configuredLevel({ settings }: Site): SecurityLevel {
  const isAnySet = (part: 'cert' | 'ca') => securedGroups.some(({ keys }) => settings.get(keys[part]) !== undefined);
  if (!isAnySet('cert')) return 'plain';
  return isAnySet('ca') ? 'mutual' : 'server';
}

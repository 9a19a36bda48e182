import { isEntranceOffered } from '@sallyport/config';
import { takesConnections } from '../../secure/probe.js';
import { type Check, error } from '../check.js';
import { type CheckedSite, isRunning } from '../checked-site.js';

const keys = ['http.client.host', 'http.client.port'] as const;

/** Programs of this device reach the file transfer with `http.client.*`. */
export const httpClient: Check = {
  id: 'http-client',
  title: 'connection to the file transfer',
  run: async (checked) => {
    const { settings } = checked.site;
    if (!isUsed(checked)) return [];
    const [host, port] = [settings.require('http.client.host'), settings.require('http.client.port')];
    if (await takesConnections({ host, port })) return [];
    const what = `Nothing answers at ${host}:${port} (http.client.host, http.client.port), where programs of this machine look for the file transfer.`;
    return [error(what, remedyFor(checked), { needs: ['listener http', 'service agent', 'start'] })];
  },
};

/** The check of settings tells of a port that nobody has set. */
function isUsed(checked: CheckedSite): boolean {
  const { settings } = checked.site;
  const isChosen = keys.some((key) => settings.source(key) !== 'default');
  return isChosen && (!checked.isGateway || (isRunning(checked, 'agent') && isEntranceOffered(settings, 'http')));
}

function remedyFor({ remedies, isGateway, site: { settings } }: CheckedSite): string {
  if (!isGateway) return remedies.set('http.client.host', 'GATEWAY');
  const chosen = keys.filter((key) => settings.source(key) !== 'default');
  const bound = settings.require('http.bind.port');
  const isUsual = bound === 8000;
  return remedies.all(remedies.unset(...chosen), ...(isUsual ? [] : [remedies.set('http.client.port', String(bound))]));
}

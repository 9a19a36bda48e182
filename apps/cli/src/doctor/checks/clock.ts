import { request } from 'node:https';
import { type Check, error, type Finding, warning } from '../check.js';
import { isRunning } from '../patient.js';

const deadlineMs = 5_000;
// Certificates are dated back by five minutes; a clock further off makes fresh ones "not valid yet".
const toleratedSkewMs = 300_000;

/** The clock of this machine against the signer's, and the signer's address. */
export const clock: Check = {
  id: 'clock',
  title: 'clock, and the way to the certificate service',
  run: async (patient) => {
    const { context, site, remedies, isGateway } = patient;
    // Why the signer of this machine does not answer is told by the check of the services.
    if (isGateway && !isRunning(patient, 'pki-signer')) return [];
    const url = new URL('/.well-known/est/cacerts', site.settings.require('pki.url'));
    const signerTime = await timeAt(url);
    if (signerTime === undefined && !isGateway && site.settings.source('pki.url') === 'default') return [];
    if (signerTime === undefined)
      return [
        warning(
          `The certificate service does not answer at ${url.origin} (pki.url), so nothing can be renewed.`,
          remedies.startServices(),
        ),
      ];
    return skewFindings(context.now().getTime() - signerTime.getTime());
  },
};

function skewFindings(skewMs: number): Finding[] {
  if (Math.abs(skewMs) < toleratedSkewMs) return [];
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  const what = `The clock of this machine is ${minutes} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} the signer's; certificates seem ${skewMs > 0 ? 'expired' : 'not valid yet'}.`;
  return [error(what, 'timedatectl set-ntp true')];
}

/** The `Date` of an answer. It is only compared, so it need not come from somebody trusted. */
function timeAt(url: URL): Promise<Date | undefined> {
  return new Promise((resolve) => {
    const outgoing = request(url, { rejectUnauthorized: false, agent: false, signal: AbortSignal.timeout(deadlineMs) });
    outgoing.once('response', (answer) => {
      outgoing.destroy();
      const time = new Date(answer.headers.date ?? '');
      resolve(Number.isNaN(time.getTime()) ? undefined : time);
    });
    outgoing.on('error', () => resolve(undefined));
    outgoing.end();
  });
}

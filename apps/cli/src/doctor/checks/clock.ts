import { request } from 'node:https';
import { type Check, error, type Finding } from '../check.js';

const deadlineMs = 5_000;
// Certificates start five minutes before they are issued. With a larger clock error a new one is "not valid yet".
const toleratedSkewMs = 300_000;

/** Compares the clock of this machine with the clock of the signer. */
export const clock: Check = {
  id: 'clock',
  title: 'clock',
  run: async ({ context, site }) => {
    const signerTime = await timeAt(new URL('/.well-known/est/cacerts', site.settings.require('pki.url')));
    // Another check tells when the signer cannot be reached.
    return signerTime === undefined ? [] : skewFindings(context.now().getTime() - signerTime.getTime());
  },
};

function skewFindings(skewMs: number): Finding[] {
  if (Math.abs(skewMs) < toleratedSkewMs) return [];
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  const what = `The clock of this machine is ${minutes} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} the signer's; certificates seem ${skewMs > 0 ? 'expired' : 'not valid yet'}.`;
  return [error(what, 'timedatectl set-ntp true')];
}

/** The `Date` of an answer. It is only compared, so the server need not be trusted. */
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

import { request } from 'node:https';
import { lookupHost } from '@sallyport/protocol';
import { hasBegun } from '@sallyport/x509';
import { type Check, error, type Finding } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

const deadlineMs = 5_000;
const setClock = 'timedatectl set-ntp true';
// Certificates start five minutes before they are issued. With a larger clock error a new one is "not valid yet".
const toleratedSkewMs = 300_000;

/** Compares the clock of this machine with the clock of the signer. */
export const clock: Check = {
  id: 'clock',
  title: 'clock',
  run: async (checked) => {
    const { context, site } = checked;
    const early = beforeCas(checked);
    if (early !== undefined) return [early];
    const signerTime = await timeAt(new URL('/.well-known/est/cacerts', site.settings.require('pki.url')));
    // Another check tells when the signer cannot be reached.
    return signerTime === undefined ? [] : skewFindings(context.now().getTime() - signerTime.getTime());
  },
};

/** A machine without a battery for its clock begins in the past. Then every certificate is of the future. */
function beforeCas({ context, trust }: CheckedSite): Finding | undefined {
  const now = context.now();
  const unborn = trust.roots.find((root) => !hasBegun(root, now));
  if (unborn === undefined) return undefined;
  const begin = unborn.notBefore.toISOString();
  const what = `The clock of this machine says ${now.toISOString()}, and the CA of this site was made after that, at ${begin}. No certificate is valid yet.`;
  return error(what, setClock, { breaks: ['clock'] });
}

function skewFindings(skewMs: number): Finding[] {
  if (Math.abs(skewMs) < toleratedSkewMs) return [];
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  const what = `The clock of this machine is ${minutes} minutes ${skewMs > 0 ? 'ahead of' : 'behind'} the signer's; certificates seem ${skewMs > 0 ? 'expired' : 'not valid yet'}.`;
  return [error(what, setClock, { breaks: ['clock'] })];
}

/** The `Date` of an answer. It is only compared, so the server need not be trusted. */
function timeAt(url: URL): Promise<Date | undefined> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(deadlineMs);
    const outgoing = request(url, { lookup: lookupHost, rejectUnauthorized: false, agent: false, signal });
    outgoing.once('response', (answer) => {
      outgoing.destroy();
      const time = new Date(answer.headers.date ?? '');
      resolve(Number.isNaN(time.getTime()) ? undefined : time);
    });
    outgoing.on('error', () => resolve(undefined));
    outgoing.end();
  });
}

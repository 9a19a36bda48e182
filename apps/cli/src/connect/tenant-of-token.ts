import type { CloudConnection } from '@sallyport/cloud';
import { blankUnprintable } from '@sallyport/protocol';
import { z } from 'zod';

// RFC 7519 §4.1.1. Cumulocity puts its host name here.
const claims = z.object({ iss: z.string().max(300) });

/**
 * A sentence when a token (`71,JWT`) is from another tenant than the settings name; undefined when it is from the same
 * one, or does not say. The token is not verified: it is read for a warning only, and no part of its signature is shown.
 */
export function tenantWarning(answer: string, { http, settingNames }: CloudConnection): string | undefined {
  const issuer = issuerIn(answer);
  if (issuer === undefined || http === undefined || issuer.toLowerCase() === http.host.toLowerCase()) return undefined;
  return `The device is connected to the tenant ${blankUnprintable(issuer)}, but ${settingNames.url} is ${http.host}. If both are names of one tenant, this is fine.`;
}

function issuerIn(answer: string): string | undefined {
  const [, payload] = answer.slice('71,'.length).split('.');
  try {
    return claims.safeParse(JSON.parse(Buffer.from(payload ?? '', 'base64url').toString('utf8'))).data?.iss;
  } catch {
    return undefined;
  }
}

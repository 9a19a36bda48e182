import type { Certificate } from '../certificate.js';
import type { Extension } from '../extensions.js';
import { oids } from '../oids.js';
import type { CertificateRequest } from './certificate-request.js';

/** Maximum number of names in the result. A request of 16 KiB can have a thousand. */
const mostNamed = 10;

const nameByOid: ReadonlyMap<string, string> = new Map(Object.entries(oids).map(([name, oid]) => [oid, name]));

/**
 * The parts of a request that its certificate does not have. The profile decides what the certificate has, and the
 * requester is told what is missing. Call it only after `checkCertificateRequest`, which refuses everything serious.
 *
 * @returns extensions by name or dotted identifier, usages and purposes one by one (`extendedKeyUsage=serverAuth`); at
 *   most ten, and `N more`.
 */
export function extensionsLeftOut(request: CertificateRequest, certificate: Certificate): string[] {
  const missing = request.requestedExtensions.flatMap((asked) => missingOf(asked, request, certificate));
  const unnamed = missing.length - mostNamed;
  return unnamed > 0 ? [...missing.slice(0, mostNamed), `${unnamed} more`] : missing;
}

function missingOf(asked: Extension, request: CertificateRequest, certificate: Certificate): string[] {
  switch (asked.oid) {
    case oids.keyUsage:
      return without(request.keyUsages, certificate.keyUsages).map((usage) => `keyUsage=${usage}`);
    case oids.extendedKeyUsage:
      return without(request.extendedKeyUsages, certificate.extendedKeyUsages).map((use) => `extendedKeyUsage=${use}`);
    case oids.basicConstraints:
    case oids.subjectAltName:
      // Names and CA flag are never left out: the policy refuses a request with other names or for a CA certificate.
      return [];
    default:
      return isHeld(asked, certificate) ? [] : [nameByOid.get(asked.oid) ?? asked.oid];
  }
}

function without(asked: readonly string[] = [], given: readonly string[] = []): string[] {
  return asked.filter((each) => !given.includes(each));
}

function isHeld({ oid, value }: Extension, { extensions }: Certificate): boolean {
  return extensions.some((extension) => extension.oid === oid && extension.value.equals(value));
}

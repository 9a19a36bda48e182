import { altNameFault } from '../alt-name-rules.js';
import type { TbsCertificate } from '../certificate.js';
import { attributeFault } from '../name.js';
import { oids } from '../oids.js';
import type { LintRule } from './finding.js';

/** Rules about subject and alternative names. */
export const nameRules: readonly LintRule[] = [
  {
    rule: 'subject-attributes',
    severity: 'error',
    source: 'RFC 5280 §A.1, X.520',
    check: ({ subject }) => {
      for (const { oid, name, value } of subject.attributes) {
        const fault = attributeFault(oid, value);
        if (fault !== undefined) return `has a subject whose ${name} ${fault}`;
      }
      return undefined;
    },
  },
  {
    rule: 'leaf-common-name',
    severity: 'error',
    source: 'this system: the CN is the device id',
    check: ({ isCa, subject }) =>
      isCa || subject.commonNames.length === 1 ? undefined : `has ${subject.commonNames.length} common names, not one`,
  },
  {
    rule: 'ca-subject',
    severity: 'error',
    source: 'RFC 5280 §4.1.2.6',
    check: ({ isCa, subject }) =>
      isCa && subject.attributes.length === 0 ? 'is of a CA and has no subject' : undefined,
  },
  {
    rule: 'leaf-alternative-name',
    severity: 'error',
    source: 'RFC 9525 §2',
    check: ({ isCa, subjectAltNames }) =>
      isCa || subjectAltNames.length > 0 ? undefined : 'has no subject alternative name',
  },
  {
    rule: 'alternative-name-critical',
    severity: 'error',
    source: 'RFC 5280 §4.2.1.6',
    check: ({ subject, extensions }) => {
      const extension = extensions.find(({ oid }) => oid === oids.subjectAltName);
      if (extension === undefined || extension.critical === (subject.attributes.length === 0)) return undefined;
      return 'marks its alternative names critical although it has a subject, or has no subject and does not';
    },
  },
  {
    rule: 'alternative-name-syntax',
    severity: 'error',
    source: 'RFC 5280 §4.2.1.6',
    check: ({ subjectAltNames }) => {
      for (const name of subjectAltNames) {
        const fault = altNameFault(name, { permitsWildcard: true });
        if (fault !== undefined) return `has the alternative name "${name.value}", which ${fault}`;
      }
      return undefined;
    },
  },
  {
    rule: 'alternative-name-unique',
    severity: 'error',
    source: 'this system: an alternative name stands once',
    check: ({ subjectAltNames }) =>
      new Set(subjectAltNames.map(({ type, value }) => `${type}:${value}`)).size === subjectAltNames.length
        ? undefined
        : 'has an alternative name twice',
  },
  {
    rule: 'server-common-name',
    severity: 'error',
    source: 'CA/Browser Forum BR §7.1.4.2.2',
    check: serverCommonNameFault,
  },
];

const looksLikeHost = /^(?:[a-z0-9*-]+\.)+[a-z0-9-]+$/i;

/** Old clients use the CN of a server as its name. So a CN that looks like a host must also be an alternative name. */
function serverCommonNameFault({
  isCa,
  extendedKeyUsages,
  subject,
  subjectAltNames,
}: TbsCertificate): string | undefined {
  if (isCa || extendedKeyUsages?.includes('serverAuth') !== true) return undefined;
  const missing = subject.commonNames.find(
    (commonName) =>
      looksLikeHost.test(commonName) && !subjectAltNames.some(({ value }) => value === commonName.toLowerCase()),
  );
  return missing === undefined ? undefined : `has the common name ${missing} but not the alternative name`;
}

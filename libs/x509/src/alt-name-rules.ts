import { addressFault, dnsNameFault } from '@sallyport/protocol';
import { addressOctets, type SubjectAltName } from './general-name.js';

/** Options for the check of an alternative name. */
interface FormRules {
  /** Whether the leftmost label of a DNS name may be `*`. */
  readonly permitsWildcard: boolean;
}

/** The error in an alternative name, as the end of a sentence; undefined when it is correct. */
export function altNameFault({ type, value }: SubjectAltName, { permitsWildcard }: FormRules): string | undefined {
  switch (type) {
    case 'dns':
      return dnsNameFault(permitsWildcard && value.startsWith('*.') ? value.slice(2) : value);
    case 'ip':
      // Throws for a text that is no address.
      addressOctets(value);
      return addressFault(value);
    case 'uri':
      return absoluteUri.test(value) ? undefined : 'is not an absolute URI in ASCII';
    case 'email':
    case 'other':
      return 'is of a type that is not issued';
    default:
      return type satisfies never;
  }
}

/** RFC 3986 §4.3: a scheme with something after it. If there is an authority, it needs a host (RFC 5280 §4.2.1.6). */
const absoluteUri =
  /^[a-z][a-z0-9+.-]*:(?:\/\/[a-z0-9.[\]:_-]+(?:[/?#][!#-;=?-[\]_a-z~]*)?|(?!\/\/)[!#-;=?-[\]_a-z~]+)$/i;

import { CoapError } from '@sallyport/coap-wire';
import { canonicalUuid, type OcfUuid } from '@sallyport/protocol';

// What a token says of a device is repeated to it in a diagnostic text.
const longestShownCharacters = 64;

/** The settings that say where the id of a device comes from. */
export interface DeviceIdRules {
  /** `coap.tls.client_certificate_required` */
  readonly isCertificateRequired: boolean;
  /** `coap.tls.identity_properties_required` */
  readonly areIdentityPropertiesRequired: boolean;
  /** `coap.authorization.device_id_claim`; undefined: access tokens do not say for which device they are. */
  readonly claimName: string | undefined;
}

/** Everything that says which device is at the other end of a connection. */
export interface DeviceIdEvidence {
  /** The value of the claim in the verified access token, of any type. */
  readonly claim: unknown;
  /** The id in the certificate that the device proved; undefined: it showed none, or one that is no OCF identity. */
  readonly certificate: OcfUuid | undefined;
  /** `di` of the request. */
  readonly requested: string;
}

/**
 * Decides which device has sent a request: the claim of its access token says it, or else its certificate, or else the
 * request itself. With claim and certificate both must say the same. `di` of the request never contradicts them.
 *
 * UUIDs are compared and returned in lower case.
 *
 * @throws CoapError `4.01`: claim and certificate name different devices, or one that is required names none
 * @throws CoapError `4.00`: only the request names the device, and not with a UUID
 */
export function resolveDeviceId(rules: DeviceIdRules, evidence: DeviceIdEvidence): OcfUuid {
  const { isCertificateRequired, claimName } = rules;
  const claimed = claimName === undefined ? undefined : claimedId(claimName, evidence.claim);
  if (isCertificateRequired) {
    const { certificate } = evidence;
    if (certificate === undefined) return withoutIdentity(rules, { claimed, requested: evidence.requested });
    if (claimed === undefined || canonicalUuid(claimed) === certificate) return certificate;
    throw refused(
      `access token issued to the device ('${shown(claimed)}') used by the different device ('${certificate}')`,
    );
  }
  return claimed === undefined ? requestedId(evidence) : uuidIn(claimed);
}

function claimedId(claimName: string, claim: unknown): string {
  if (claim === undefined || claim === '')
    throw refused(`access token doesn't contain the required device id claim('${claimName}')`);
  if (typeof claim === 'string') return claim;
  throw refused(`access token has an invalid type of the device id claim('${claimName}')`);
}

interface Unproved {
  readonly claimed: string | undefined;
  readonly requested: string;
}

/** The operator lets devices in with certificates that are no OCF identities. Such a one does not say which device it is. */
function withoutIdentity({ areIdentityPropertiesRequired }: DeviceIdRules, { claimed, requested }: Unproved): OcfUuid {
  if (areIdentityPropertiesRequired) throw refused("certificate of device doesn't contain device id");
  return claimed === undefined ? requestedId({ requested }) : uuidIn(claimed);
}

function requestedId({ requested }: Pick<DeviceIdEvidence, 'requested'>): OcfUuid {
  const device = canonicalUuid(requested);
  if (device === undefined) throw new CoapError('4.00', 'invalid device id');
  return device;
}

function uuidIn(claimed: string): OcfUuid {
  const device = canonicalUuid(claimed);
  if (device === undefined)
    throw refused(`access token issued to the device ('${shown(claimed)}'), which is not a UUID`);
  return device;
}

function refused(reason: string): CoapError {
  return new CoapError('4.01', reason);
}

function shown(claimed: string): string {
  return claimed.slice(0, longestShownCharacters);
}

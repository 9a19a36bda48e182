import { type OcfUuid, ocfUuidOf } from '@sallyport/protocol';
import type { LeafRule } from '@sallyport/tls';
import { isOcfIdentity } from '@sallyport/x509';

export interface IdentityRules {
  /** `coap.tls.identity_properties_required` */
  readonly areRequired: () => boolean;
  /** The id of this site as a cloud; undefined while there is no certificate to read it from. */
  readonly hubId: () => OcfUuid | undefined;
}

/** Refuses certificates that are no identity of an OCF device. */
export function identityRule({ areRequired, hubId }: IdentityRules): LeafRule {
  return ({ certificate, deviceId }) => {
    // An absent extension permits everything (RFC 5280 §4.2.1.12), but OCF demands that the purposes are named.
    const purposes = certificate.extendedKeyUsages ?? [];
    if (!purposes.includes('serverAuth') || !purposes.includes('clientAuth'))
      return fault('its extended key usage lacks serverAuth or clientAuth');
    const uuid = ocfUuidOf(deviceId);
    if (uuid !== undefined && uuid === hubId()) return fault('it has the name of this cloud');
    if (!areRequired()) return undefined;
    if (!isOcfIdentity(certificate)) return fault('its extended key usage lacks 1.3.6.1.4.1.44924.1.6');
    return uuid === undefined ? fault('its common name is not "uuid:" and a UUID') : undefined;
  };
}

function fault(detail: string): ReturnType<LeafRule> {
  return { reason: 'not-ocf-identity', detail };
}

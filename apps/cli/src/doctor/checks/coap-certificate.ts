import { ocfUuidOf } from '@sallyport/protocol';
import { isOcfIdentity } from '@sallyport/x509';
import { type Check, error, type Finding } from '../check.js';
import type { CheckedSite } from '../checked-site.js';
import { type FrontCertificate, frontCertificateFindings, goingBack } from './front-certificate.js';

const keys = { cert: 'coap.tls.cert_path', key: 'coap.tls.key_path' } as const;

/** The certificate that the operator gave the CoAP gateway: devices of OCF check its name and its purposes. */
export const coapCertificate: Check = {
  id: 'coap-certificate',
  title: 'certificate of the CoAP gateway',
  run: (checked) => frontCertificateFindings(checked, keys, (certificate) => ocfFindings(checked, certificate)),
};

function ocfFindings(checked: CheckedSite, { path, leaf }: FrontCertificate): Finding[] {
  const fix = goingBack(checked, keys);
  const [name = ''] = leaf.subject.commonNames;
  const uuid = ocfUuidOf(name);
  const hubId = checked.site.settings.get('coap.hub_id');
  if (uuid === undefined)
    return [error(`${path} has the name "${name}", and devices of OCF want uuid:UUID, the id of their cloud.`, fix)];
  if (hubId !== undefined && uuid !== hubId)
    return [error(`${path} has the name "${name}", and coap.hub_id is ${hubId}. Devices do not accept it.`, fix)];
  if (isOcfIdentity(leaf)) return [];
  const purposes = 'clientAuth, serverAuth and 1.3.6.1.4.1.44924.1.6';
  return [error(`${path} has not all purposes that devices of OCF want of their cloud: ${purposes}.`, fix)];
}

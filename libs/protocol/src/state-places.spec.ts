import { describe, expect, it } from 'vitest';
import { statePlaces } from './state-places.js';

describe('what Sallyport writes for itself', () => {
  const places = statePlaces('/s');

  it.each([
    ['the markers of the site', places.markers, '/s/site'],
    ['the marker of a service', places.markerOf('pki-signer'), '/s/site/pki-signer.json'],
    ['the secrets of the signer', places.secrets, '/s/pki'],
    ['the passphrase of the CA keys', places.passphrase, '/s/pki/key-passphrase'],
    ['the secret of one-time tokens', places.tokenSecret, '/s/pki/token-pepper'],
    ["the signer's own certificate", places.signerIdentity, '/s/pki/server-identity.pem'],
    ['the journal of a service', places.journalOf('pki-signer'), '/s/journal/pki-signer'],
    ['the certificates of services', places.services, '/s/service-certs'],
    ['the certificate of a service', places.folderOf('agent'), '/s/service-certs/agent'],
    ['the certificate of local clients', places.folderOf('client'), '/s/client-certs'],
    ['the certificate of the operator', places.folderOf('administrator'), '/s/admin-certs'],
    ['the level of a listener', places.levelOf('http'), '/s/doors/http.json'],
  ])('has %s where earlier releases had it, below the state directory', (_what, place, expected) => {
    expect(place).toBe(expected);
  });
});

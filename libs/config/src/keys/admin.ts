import { issuerUrl } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { nameList, text } from '../text-values.js';
import { oneOf } from '../value-type.js';

const isOwn = true;
const role = oneOf('AdminRole', ['viewer', 'operator', 'admin']);

/** What administrators may do on the network. */
export const adminKeys = {
  'admin.role': setting(role, {
    doc: 'What an administrator with a certificate may do on the network who is in neither `admin.viewers` nor `admin.operators`. `viewer` reads, `operator` also looks after devices, `admin` also decides who is trusted.',
    default: 'admin',
    examples: ['viewer', 'admin'],
    isOwn,
  }),
  'admin.viewers': setting(nameList, {
    doc: 'Names in the certificates of administrators who only read.',
    default: [],
    examples: ['grafana,auditor'],
    isOwn,
  }),
  'admin.operators': setting(nameList, {
    doc: 'Names in the certificates of administrators who look after devices, and do not decide who is trusted.',
    default: [],
    examples: ['alice,bob'],
    isOwn,
  }),
  'admin.oidc.issuer': optionalSetting(issuerUrl, {
    doc: 'Address of an OpenID Connect provider, as it stands in the claim `iss` of its tokens. With it, a program with the certificate of an administrator may send the token of the person it acts for (`Authorization: Bearer`). The request then has no more rights than that person. Unset: such a request is refused.',
    examples: ['https://login.example/realms/plant'],
    isOwn,
  }),
  'admin.oidc.audience': setting(text, {
    doc: 'What the claim `aud` of such a token must hold.',
    default: 'sallyport',
    examples: ['sallyport'],
    isOwn,
  }),
  'admin.oidc.role_claim': setting(text, {
    doc: 'The claim of such a token with the roles of the person: `sallyport-viewer`, `sallyport-operator`, `sallyport-admin`. The highest one counts.',
    default: 'roles',
    examples: ['roles', 'groups'],
    isOwn,
  }),
} as const;

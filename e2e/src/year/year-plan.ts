/** What happens to a site on a day. */
export type YearEvent =
  | { readonly day: number; readonly kind: 'off'; readonly days: number }
  | { readonly day: number; readonly kind: 'clock-ahead-for-a-minute'; readonly days: number }
  | { readonly day: number; readonly kind: 'clock-behind-at-boot'; readonly days: number }
  | { readonly day: number; readonly kind: 'revoke'; readonly devices: number };

export interface YearPlan {
  readonly days: number;
  /** The clocks go on by this much at once. */
  readonly stepHours: number;
  readonly devicesOfEachProtocol: number;
  /** Devices that use the CLI besides, and how often they wake. */
  readonly cliDevices: number;
  readonly cliEveryDays: number;
  /** Whether each service is a process of its own. */
  readonly isCluster: boolean;
  readonly settings: NodeJS.ProcessEnv;
  readonly events: readonly YearEvent[];
  /** The doctor is asked this often, and its advice is the only thing that anybody does. */
  readonly doctorEveryDays: number;
}

/** Lives of CAs are short, so that each kind is replaced. Devices that were off for three months have a grace. */
export const twoYears: YearPlan = {
  days: 730,
  stepHours: 6,
  devicesOfEachProtocol: 25,
  cliDevices: 2,
  cliEveryDays: 5,
  isCluster: true,
  settings: {
    TEDGE_PKI_ISSUING_VALIDITY: '400d',
    TEDGE_PKI_ROOT_VALIDITY: '1200d',
    TEDGE_PKI_RENEWAL_GRACE: '90d',
  },
  events: [
    { day: 40, kind: 'off', days: 7 },
    { day: 70, kind: 'revoke', devices: 4 },
    { day: 120, kind: 'clock-ahead-for-a-minute', days: 30 },
    { day: 180, kind: 'clock-behind-at-boot', days: 365 },
    { day: 260, kind: 'revoke', devices: 3 },
    { day: 500, kind: 'off', days: 91 },
    { day: 620, kind: 'revoke', devices: 3 },
    { day: 640, kind: 'clock-ahead-for-a-minute', days: 30 },
  ],
  doctorEveryDays: 10,
};

/** The same with 21 devices and a day at once: it takes a quarter of an hour. */
export const twoYearsOfFew: YearPlan = { ...twoYears, stepHours: 24, devicesOfEachProtocol: 5, cliDevices: 1 };

/** One of each event, in a season of big steps. Certificates of devices live as long as those of services. */
export const oneSeason: YearPlan = {
  days: 112,
  stepHours: 36,
  devicesOfEachProtocol: 1,
  cliDevices: 1,
  cliEveryDays: 10,
  isCluster: false,
  settings: {
    TEDGE_PKI_PROFILE_DEVICE_VALIDITY: '30d',
    TEDGE_PKI_ISSUING_VALIDITY: '60d',
    TEDGE_PKI_ROOT_VALIDITY: '100d',
    TEDGE_PKI_RENEWAL_GRACE: '90d',
  },
  events: [
    { day: 10, kind: 'off', days: 33 },
    { day: 50, kind: 'revoke', devices: 1 },
    { day: 60, kind: 'clock-ahead-for-a-minute', days: 30 },
    { day: 70, kind: 'clock-behind-at-boot', days: 365 },
  ],
  doctorEveryDays: 25,
};

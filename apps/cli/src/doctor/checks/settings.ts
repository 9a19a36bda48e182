import { isConfigKey, loadSettings } from '@sallyport/config';
import type { CliContext } from '../../cli-context.js';
import { type GlobalOptions, settingsSource } from '../../options.js';
import { type Check, type Finding, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';
import { editSettings } from '../settings-remedy.js';

// When a command repairs it, the warning ends with that command.
const hint = /^(.*?)(?: Run|: *Set [^:]*|\. Set [^:]*): tedge config (\w+) (\S+)(?: (\S+))?$/s;

/** Warnings about the settings. When they cannot be read at all, no check runs. */
export function settingsCheck(context: CliContext, options: GlobalOptions): Check {
  return {
    id: 'settings',
    title: 'settings',
    run: async (checked) => {
      const { warnings } = await loadSettings(settingsSource(context, options));
      const findings = warnings.map(async (text) =>
        warningFinding(checked, text, await editSettings(context, options, text)),
      );
      return Promise.all(findings);
    },
  };
}

function warningFinding({ remedies }: CheckedSite, text: string, edit: string): Finding {
  const [, variable] = /^(TEDGE_\w+) is not a setting/.exec(text) ?? [];
  if (variable !== undefined) return warning(text, `unset ${variable}`);
  const [, what = text, action = '', key = '', value] = hint.exec(text) ?? [];
  if (!isConfigKey(key)) return warning(text, edit);
  return warning(what, remedies.run('config', action, key, ...(value === undefined ? [] : [value])));
}

// Lets two years pass at a site with a hundred devices, of which a test in `npm test` only shows a season.
import { longForm } from './long-form.mjs';

export const year = longForm({
  name: 'year',
  says: 'two years with 100 devices, wrong clocks, months off and a new root: nobody has to do anything but ask for it',
  file: 'year.spec',
  env: { SALLYPORT_YEARS: '2' },
  fault: 'somebody valid was refused, somebody revoked was let in, or somebody had to look after the site.',
});

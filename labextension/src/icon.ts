import { LabIcon } from '@jupyterlab/ui-components';

export const leptonIcon = new LabIcon({
  name: 'lepton:icon',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161"><circle cx="12" cy="12" r="2.6"/><path d="M12 3.5c4.9 0 9.5 3.2 9.5 8.5S16.900 20.500 12 20.500 2.500 17.300 2.500 12 7.100 3.500 12 3.500zm0 2c-3.900 0-7.500 2.500-7.500 6.500s3.600 6.500 7.500 6.500 7.500-2.500 7.500-6.500-3.600-6.500-7.500-6.500z"/><circle cx="19" cy="6.500" r="2.400"/></g></svg>'
});

/** How requests and the websocket reach the Jupyter server, with its authentication. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { ApiError, Request } from './api';

export function requester(settings: ServerConnection.ISettings): Request {
  return async (method, path, body) => {
    const url = URLExt.join(settings.baseUrl, 'lepton/api/') + path;
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(
        url,
        { method, body: body === undefined ? undefined : JSON.stringify(body) },
        settings
      );
    } catch {
      throw new ApiError('The Jupyter server does not answer. Is it still running?');
    }
    if (response.status === 204) {
      return undefined;
    }
    const text = await response.text();
    let document: any = null;
    try {
      document = JSON.parse(text);
    } catch {
      // A page of a proxy, or nothing: the status has to do.
    }
    if (!response.ok) {
      const error = document?.error ?? {};
      throw new ApiError(
        error.message ??
          document?.message ??
          `The server answered ${response.status} ${response.statusText} to ${method} ${path}.`,
        error.kind,
        response.status,
        error.forcible ?? false
      );
    }
    return document;
  };
}

export function socketOpener(settings: ServerConnection.ISettings): () => WebSocket {
  return () => {
    let url = URLExt.join(settings.wsUrl, 'lepton/api/events');
    if (settings.appendToken && settings.token) {
      url += `?token=${encodeURIComponent(settings.token)}`;
    }
    return new settings.WebSocket(url);
  };
}

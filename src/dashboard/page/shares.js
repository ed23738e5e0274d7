// Changes shares. The token goes only into a header of requests to this server.

import { say } from "./numbers.js";

export class ShareDialog {
  constructor(ask, changed) {
    const find = (id) => document.getElementById(id);
    [this.dialog, this.form, this.rule] = [find("share"), find("share-form"), find("share-rule")];
    [this.value, this.words, this.error] = [find("share-value"), find("share-words"), find("share-error")];
    this.ask = ask;
    this.changed = changed;
    find("share-cancel").addEventListener("click", () => this.dialog.close());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.set();
    });
  }

  open(share) {
    this.share = share;
    say(this.rule, share.rule);
    this.value.value = parseFloat(share.share);
    say(this.words, `Now ${share.share}. In the settings: ${share.configured}. It stays until the server ends.`);
    say(this.error, "");
    this.dialog.showModal();
    this.value.select();
  }

  async set() {
    const body = JSON.stringify({ [this.share.rule]: `${Number(this.value.value)}%` });
    try {
      const answer = await this.ask("shares", { method: "PUT", body, headers: { "Content-Type": "application/json" } });
      if (!answer.ok) {
        say(this.error, (await answer.text()).trim());
        return;
      }
      const { workers } = await answer.json();
      this.dialog.close();
      this.changed(workers.took < workers.of ? `${workers.took} of ${workers.of} workers use the new share` : "");
    } catch (error) {
      say(this.error, `The server cannot be reached: ${error.message}`);
    }
  }
}

/** "Ask about a keyword": the form and its result card. */

import { analyze } from "./api.js";
import { emotionBars, sentimentBar } from "./bars.js";
import { byId, el } from "./dom.js";
import { dayClock, plural } from "./format.js";
import { othersTold } from "./languages.js";
import { EMOTIONS, SENTIMENTS } from "./mood.js";
import { basis, largestFirst, rowsOf } from "./shares.js";

const unreached = (result) => (result.searched ?? []).filter((line) => line.error).map((line) => line.source);

function summary(result) {
  const how = result.source === "cache" ? `from the cache, computed ${dayClock(new Date(result.time))}` : "computed now";
  return [
    el("p", { class: "result-head" }, el("strong", {}, `“${result.keyword}”`), ` ${plural(result.count, "post")}`),
    el("p", { class: "result-meta" }, el("span", { class: "tag" }, how), el("span", { class: "tag" }, `model ${result.model_version}`),
      result.degraded ? el("span", { class: "tag warn" }, "degraded: a part is away") : null,
      ...unreached(result).map((name) => el("span", { class: "tag warn" }, `${name} not reached`))),
  ];
}

export function analyzeForm() {
  const [form, input, button, said] = [byId("analyze-form"), byId("analyze-keyword"), byId("analyze-go"), byId("analyze-said")];
  const [card, head] = [byId("analyze-result"), byId("analyze-head")];
  const bars = emotionBars(byId("analyze-bars"));
  const split = sentimentBar(byId("analyze-split"));

  const say = (text, kind = "") => {
    said.textContent = text;
    said.className = `said ${kind}`;
    said.hidden = !text;
    input.setAttribute("aria-invalid", String(kind === "bad"));
  };

  /** What was left out for its language, and a button that asks again for all. */
  const showOthers = ({ keyword, other_languages: others }) => {
    const told = othersTold(others);
    const counting = el("button", { type: "button", class: "more", onclick: () => ask(keyword, "all") }, "Count them");
    byId("analyze-languages").replaceChildren(...(told ? [`${told} `, counting] : []));
  };

  const ask = async (keyword, languages) => {
    if (!keyword) {
      say("Type a word or a phrase first.", "bad");
      input.focus();
      return;
    }
    button.disabled = true;
    card.hidden = true;
    say(`Reading posts that mention “${keyword}” …`);
    try {
      const result = await analyze(keyword, languages);
      if (!result.count && !othersTold(result.other_languages)) {
        const missing = unreached(result).map((name) => ` The source ${name} could not be asked.`).join("");
        say(`No posts mention “${result.keyword}”. Try a shorter or more common word.${missing}`);
        return;
      }
      say("");
      head.replaceChildren(...summary(result));
      bars(largestFirst(rowsOf(result.agg, EMOTIONS)));
      split(rowsOf(result.sentiment, SENTIMENTS));
      byId("analyze-basis").textContent = basis(result.uncertainty.emotion);
      showOthers(result);
      card.hidden = false;
    } catch (error) {
      say(error.message, "bad");
    } finally {
      button.disabled = false;
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(input.value.trim(), null);
  });
}

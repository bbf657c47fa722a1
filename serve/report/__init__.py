"""The report of a session, and the pieces that the page shares with it.

The interface
-------------
One view, one fragment, one script; whoever shows a timeline in HTML uses these three.

``TimelineView.from_timelines(timelines, *, chosen=None, names=Names.HIDE)``
    (:mod:`~alliance.serve.report.view`; ``Names`` is in ``names``) what is shown, from one
    timeline per purpose of the same session
    (:meth:`~alliance.model.classifier.RuptureClassifier.label_for` makes all three with one
    reading). With several, the purposes switch live.

``render_timeline_fragment(view, *, strings=ENGLISH) -> Markup``
    (:mod:`~alliance.serve.report.render`) one ``<section class="timeline">`` with strip, episodes,
    transcript, legend, a live region and the data island
    ``<script type="application/json" class="timeline-data">``. Readable without a script.
    ``render_report`` wraps it into one file.

``static/timeline.js`` exports ``mountTimeline(root, data?) -> handle``
    ``root`` is that section; without ``data`` the island is read. The handle has
    ``select(turn, {scroll, focus})``, ``setPurpose(name)``, ``jump(+1|-1)``, ``labelOf(turn)``,
    ``destroy()``. ``root`` dispatches, bubbling:

    ``alliance:select`` ``{turn}``
        a turn was selected, by whatever means.
    ``alliance:detail`` ``{turn, element}``
        its details were opened; ``element`` may be added to (a form to disagree with the label).
    ``alliance:purpose`` ``{purpose}``
        other thresholds decide now.

    Turn 12 is ``<li class="turn" id="turn-12">``, with ``data-turn`` once the script runs; its
    label stands in ``.turn-mark``, and ``.no`` is the button that opens its details.
    ``root.classList.add("is-blind")`` takes everything out of sight that a model said, for those
    who label first.

``static/timeline.css`` styles all of it; colours are custom properties of ``:root``.

``asset(name)`` and ``bundled("timeline.js")`` (:mod:`~alliance.serve.report.assets`) give the
static files, one by one for a server (modules import each other by name) or as one script for a
file that stands alone.

The data island (version 1)
---------------------------
``session`` id; ``chosen`` purpose; ``speakers`` ``[{key, name, role}]``; ``labels`` ``[{key,
letter, symbol, title, definition}]`` in the codebook's order; ``markers`` ``{code: [name,
definition, letter, roles]}``; ``turns`` ``[[speaker, start_ms, end_ms, p1000]]``, the speaker
being a place in ``speakers``, ``p1000`` four whole thousandths in the order of ``labels`` or
null; ``labellings`` ``{purpose: {labels, markers, p_marker, episodes}}``, where character *i* of
``labels`` is turn *i*'s letter, small if the model abstains and ``-`` without a label, and where
``markers`` and ``p_marker`` are one per turn for the chosen purpose and, for others, only of turns
with another label than under that one (``handle.labelOf(turn)`` knows);
``level`` ``[[value, low, high] or null per turn]`` in thousandths; ``why`` ``{turn: {words,
turns, words_together, turns_together}}``; ``strings`` for the script.

Everything here is imported late: Jinja2 is loaded when something is rendered.
"""

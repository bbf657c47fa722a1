"""Words by which the rules tell names from other words. For English."""

from typing import Final

__all__ = ["ALSO_WORDS", "CAPITALISED", "FULL_NAME", "NO_NAMES", "PARTICLES", "WHO"]

_UPPER: Final = "".join(
    chr(code)
    for first, last in ((0x41, 0x250), (0x1E00, 0x1F00))  # Latin, Vietnamese among it
    for code in range(first, last)
    if chr(code).isupper()
)
_WORD: Final = rf"[{_UPPER}](?![{_UPPER}])[^\W\d_]+"
CAPITALISED: Final = rf"(?:[{_UPPER}]['’])?{_WORD}(?:[-'’]{_WORD})*"
"""A word with a capital, hyphenated or like O'Neill; a word in capitals is none."""

PARTICLES: Final = frozenset(
    "al ap bin bint da de del den der di dos du el ibn la le ten van von y zu".split()
)
"""Small words within names."""

_SMALL: Final = "|".join(sorted(PARTICLES))
_FURTHER: Final = rf"(?: (?:{_SMALL}))*(?: [{_UPPER}]\.)? {CAPITALISED}"
FULL_NAME: Final = rf"{CAPITALISED}(?:{_FURTHER}){{0,3}}"
"""A name of up to four words with a capital."""

NO_NAMES: Final = frozenset(
    "a about actually after all also although always am an and anyone anything anyway are as at "
    "absolutely basically because before but by can could did do does don't even every everybody "
    "everyone everything exactly for from gosh great had has have he hello her here hi him his "
    "honestly how i if in instead is isn't it it's its jesus just let like look lord maybe me mm "
    "more my never no nobody none not nothing now of oh ok okay on one only or other our perhaps "
    "please really right she should since so some somebody someone something sometimes sorry sure "
    "thank thanks that that's the their them then there there's these they this those though to "
    "today tomorrow tonight uh um until up very was we well were what when where which while who "
    "why with would wow yeah yep yes yesterday yet you your monday tuesday wednesday thursday "
    "friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays day "
    "eve people staff social january february march april june july august september october "
    "november december christmas easter ramadan eid hanukkah diwali thanksgiving halloween god "
    "allah bible english british american irish scottish welsh german french spanish italian "
    "polish russian chinese japanese indian african asian european jewish muslim christian "
    "catholic buddhist hindu islam facebook instagram google whatsapp youtube twitter tiktok zoom "
    "netflix tv nhs gp mum mom mama mummy mommy mam dad daddy papa mother father sister brother "
    "grandma grandpa grandad nan nana gran granny uncle aunt auntie aunty doctor dr nurse miss mr "
    "mrs ms mx prof professor sir madam reverend pastor rabbi imam coach therapist counsellor "
    "counselor guys folks".split()
)
"""Words that may have a capital and are no names, in small letters."""

ALSO_WORDS: Final = frozenset(
    "art august bill black brown chance chase christian dawn dean drew faith frank gene grace "
    "green grey guy hazel holly hope hunter iris ivy jack joy june king lily long major mark may "
    "mercy miles olive patience penny pat price ray rich rob rose ruby said sky star sue summer "
    "sunny violet white will wood young".split()
)
"""Names that are words too: in a text without capitals they are taken for words."""

WHO: Final = frozenset(
    "mother father mum mom dad parent parents wife husband partner son daughter brother "
    "sister child grandmother grandfather observer nurse doctor interpreter translator "
    "supervisor trainee student teacher narrator group member other speaker person unknown "
    "interviewer coder staff".split()
)
"""What people in the room are called by who they are."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance.model.codebook import Role
from alliance.model.errors import ConfigError
from alliance.model.formats import RoleMap
from alliance.model.formats.roles import clean_name


@pytest.mark.parametrize(
    "name",
    [
        "T",
        "t",
        "T1",
        "T 12",
        "TH",
        "Th.",
        "Ther",
        "Therapist",
        "THERAPIST_2",
        "therapist-3",
        "Dr",
        "Dr.",
        "Dr. Lee",
        "dr lee",
        "Dr.Lee",
        "DR. ANA LÓPEZ, PHD",
        "Doctor",
        "Doctor Lee",
        "Counselor",
        "Counsellor 1",
        "Psychologist",
        "Clinician",
        "Anna (therapist)",
        "Anna (T)",
        "Therapist (sighs)",
        " Therapist : ",
        "Thera\u200bpist".replace("\u200b", ""),
    ],
)
def test_therapists(name: str) -> None:
    assert RoleMap().role(name) is Role.THERAPIST


@pytest.mark.parametrize(
    "name",
    [
        "C",
        "c",
        "C1",
        "C 2",
        "Cl",
        "Client",
        "CLIENT 1",
        "client_2",
        "P",
        "Pt",
        "Pt1",
        "Pat",
        "Patient",
        "Patient #2",
        "Ben (patient)",
        "Client (crying)",
    ],
)
def test_clients(name: str) -> None:
    assert RoleMap().role(name) is Role.CLIENT


@pytest.mark.parametrize(
    "name",
    [
        "P1",
        "P 2",
        "p_3",
        "Interviewer",
        "I",
        "Speaker 1",
        "SPEAKER_00",
        "A",
        "0",
        "Anna",
        "Drew",
        "Doctors",
        "Mother",
        "Client's mother",
        "Co-therapist",
        "Mother of client",
        "Therapist/Client",
        "Anna (crying)",
        "",
        "(therapist)",
        "12",
    ],
)
def test_names_that_are_asked_for(name: str) -> None:
    assert RoleMap().role(name) is None


def test_other_is_known() -> None:
    assert RoleMap().role("Other 2") is Role.OTHER


def test_the_caller_overrules() -> None:
    roles = RoleMap({"T": "client", "Dr. Lee": "other", "P": Role.CLIENT, "P2": "other"})
    assert roles.role("t.") is Role.CLIENT
    assert roles.role("T1") is Role.CLIENT
    assert roles.role("dr. lee") is Role.OTHER
    assert roles.role("Dr. May") is Role.THERAPIST
    assert roles.role("P1") is Role.CLIENT
    assert roles.role("P (crying)") is Role.CLIENT
    assert roles.role("P2") is Role.OTHER
    assert roles.role("P2 (crying)") is Role.OTHER
    assert RoleMap({"P2": "other"}).role("P") is Role.CLIENT


def test_what_a_turn_says_of_its_speaker() -> None:
    roles = RoleMap()
    assert roles.speaker("Dr. Lee", Role.THERAPIST) == "therapist"
    assert roles.speaker("P", Role.CLIENT) == "client"
    assert roles.speaker(" Client's\tmother ", Role.OTHER) == "Client's mother"
    # A turn whose speaker reads "client" is the client's.
    assert roles.speaker("client", Role.OTHER) == "other client"
    assert roles.speaker("therapist", Role.OTHER) == "other therapist"
    assert roles.speaker("Client", Role.OTHER) == "other Client"


@pytest.mark.parametrize("name", ["C", "Dr. Lee", "P", "Pat", "Anna (therapist)", "client"])
def test_another_person_is_never_read_again_as_one_of_the_two(name: str) -> None:
    said = RoleMap({name: "other"}).speaker(name, Role.OTHER)
    assert said == f"other {name}"
    assert RoleMap().role(said) is Role.OTHER


def test_pairs() -> None:
    roles = RoleMap.parse(["Anna=therapist", "a=b=Client", " Ben = OTHER "])
    assert roles.role("ANNA") is Role.THERAPIST
    assert roles.role("a=b") is Role.CLIENT
    assert roles.role("Ben") is Role.OTHER


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["Anna"], "expected NAME=therapist|client|other, found 'Anna'"),
        (["=client"], "expected a speaker's name before '='"),
        (["Anna=boss"], "expected Anna=therapist, client or other, found 'boss'"),
        (["Anna="], "expected Anna=therapist, client or other, found ''"),
        (["Anna=client", "Anna=other"], "expected one role for 'Anna', found client and other"),
        (["Anna=client", "ANNA.=other"], "expected one role for 'ANNA.', found client and other"),
    ],
)
def test_pairs_that_are_wrong(pairs: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        RoleMap.parse(pairs)
    assert message in str(error.value)


def test_the_same_twice_is_fine() -> None:
    assert RoleMap.parse(["Anna=client", "anna=client"]).role("Anna") is Role.CLIENT


@settings(deadline=None)
@given(st.text(), st.sampled_from(Role))
def test_every_name_can_be_given_every_role(name: str, role: Role) -> None:
    if not clean_name(name).strip(" .:"):
        return
    roles = RoleMap({name: role})
    assert roles.role(name) is roles.given(name) is role
    said = roles.speaker(name, role)
    assert said == clean_name(said)
    assert (said in ("therapist", "client")) == (role is not Role.OTHER)


@settings(deadline=None)
@given(st.text(alphabet=string.printable + "\u200b\u2028 é"))
def test_names_are_on_one_line(name: str) -> None:
    clean = clean_name(name)
    assert clean.isprintable()
    assert clean == clean_name(clean) == " ".join(clean.split(" "))

"""Rendered streets and gates: seeded pictures with the truth about what is in them.

    scene = Scene("gate", seed=3)
    picture, truths = scene.frame(at_s=12.5)

For a camera without a camera, for the demo's wall, and to train and measure the demo detector on.
Reading order: `world` (what a place is), `streets` and `gates` (places drawn from a seed), `lens`
(where a point falls in the picture), `weather` (light); `easel`, `backdrop`, `ground`, `facades`,
`furniture`, `screens` (the still picture); `mesh`, `bodies`, `coachwork`, `cars`, `lorries`,
`cycles`, `people`, `plates` (what moves); `timetable`, `traffic` (who is where); `order`, `brush`,
`effects` (one frame); `sight`, `labels` (the truth); `render` (all of it).
"""
